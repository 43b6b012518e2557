"""Preparation and generation by two processes against one, and the peak memory of a process.

    python benchmarks/side_by_side.py [--events 800000] [--rows 131072] [--rounds 3]

Files with 100 hits an event become an event cache, and a small flow generates events: by one and
by two processes in alternation. Times are those of the clock and, since other work on the machine
slows two processes down more than one, the CPU time on the longest path: that of this process and
of the worker that takes longest at each step. The files are compared byte by byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bounded_memory import blocks, study_of
from rich.console import Console
from rich.table import Table

import bunchtrain
from bunchtrain.study.loading import validate
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.executors.processes import Processes
from bunchtrain.workflow.preparation import event_cache
from bunchtrain.workflow.wide.cache import spread_cache
from bunchtrain.workflow.wide.generation import generate_wide


class Measured(Processes):
    """Processes of one thread, whose CPU time and peak memory are read from their logs."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers=workers)
        self.longest, self.memory = 0.0, 0.0

    def run(self, jobs: Any, *given: Any, **hooks: Any) -> Any:
        """Run jobs, and add the CPU time of the one that takes longest."""
        listed = [replace(job, threads=1) for job in jobs]
        found = super().run(listed, *given, **hooks)
        said = [re.search(r"CPU (\S+) s, peak memory (\S+) MB", j.log.read_text()) for j in listed]
        self.longest += max(float(one[1]) for one in said if one)
        self.memory = max(self.memory, *(float(one[2]) for one in said if one))
        return found


def prepare(folder: Path, executor: Measured) -> list[Path]:
    """Build the event cache, and return its files."""
    os.environ["BUNCHTRAIN_CACHE"] = str(folder / "cache")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    study = validate(study_of(folder))
    made = event_cache(study, None, spread_cache(study, executor, None))
    return sorted(made.folder.iterdir())


def digest(paths: list[Path]) -> str:
    """Return the hash of files."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()


def train_flow(folder: Path) -> Path:
    """Return the folder of a flow that was trained on a small table."""
    random = np.random.default_rng(1)
    columns = {name: random.normal(size=4000) for name in "abcdefgh"}
    write_parquet(folder / "table.parquet", [columns])
    content = {
        "name": "flow",
        "source": {"name": "files", "files": str(folder / "table.parquet")},
        "representation": {"name": "table", "features": list("abcdefgh")},
        "models": {"flow": {"method": "flow_matching"}},
        "training": {"epochs": 1, "threads": 1},
        "storage": {"folder": str(folder / "cache_of_flow")},
    }
    run = bunchtrain.run(validate(content), runs=folder / "runs", only=["train.flow"])
    return run.files.model("flow")


def generate(folder: Path, model: Path, rows: int, executor: Measured) -> list[Path]:
    """Generate events into a file, and return it."""
    events = generate_wide(executor, folder, model, rows)
    write_parquet(folder / "generated.parquet", events)
    return [folder / "generated.parquet"]


def compare(table: Table, name: str, rounds: int, work: Callable[[Measured], list[Path]]) -> None:
    """Add the times of one and of two processes in alternation."""
    clock: dict[int, list[float]] = {1: [], 2: []}
    path: dict[int, list[float]] = {1: [], 2: []}
    memory, hashes = {1: 0.0, 2: 0.0}, set()
    for _ in range(rounds):
        for workers in (1, 2):
            executor, begin, own = Measured(workers), time.perf_counter(), time.process_time()
            paths = work(executor)
            clock[workers].append(time.perf_counter() - begin)
            path[workers].append(time.process_time() - own + executor.longest)
            hashes.add(digest(paths))
            memory[workers] = max(memory[workers], executor.memory)
    assert len(hashes) == 1, "the files differ"
    for what, times in (("clock", clock), ("longest path, CPU", path)):
        one, two = median(times[1]), median(times[2])
        ratios = [a / b for a, b in zip(times[1], times[2], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        seconds = f"{one:.1f} s", f"{two:.1f} s"
        peak = f"{memory[1]:.0f}, {memory[2]:.0f} MB"
        table.add_row(name, what, *seconds, f"{median(ratios):.2f} ({spread})", peak)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=800_000)
    parser.add_argument("--rows", type=int, default=131_072)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    table = Table("work", "time", "one", "two", "ratio", "peak memory of a process")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = train_flow(folder)  # all libraries are imported then
        write_parquet(folder / "hits.parquet", blocks(given.events, 100))
        compare(table, "prepare", given.rounds, lambda one: prepare(folder, one))
        compare(
            table, "generate", given.rounds, lambda one: generate(folder, model, given.rows, one)
        )
    Console().print(table)


if __name__ == "__main__":
    main()
