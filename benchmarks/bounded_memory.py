"""Peak memory of events with many hits from file to predictions, at two numbers of events.

    python benchmarks/bounded_memory.py [EVENTS...] [--hits 100] [--folder FOLDER]

Events of 100 hits on average, three float32 and one int32 each, are written to Parquet in blocks.
Then, each in a process of its own: the event cache is made, a small network for the class of each
hit is trained for a few steps, the test set is predicted and written, and all events of the file
are predicted. The peak resident memory should not depend on the number of events; that of the
imports alone is given beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from rich.console import Console
from rich.table import Table

from bunchtrain.study.loading import validate
from bunchtrain.tables.writing import write_parquet

BLOCK = 10_000
MEMORY = 500_000_000
STAGES = ("imports", "cache", "train", "test set", "file")


def blocks(events: int, hits: int) -> Iterator[dict[str, ak.Array]]:
    """Yield blocks of events; a hit is noise by a probability that depends on its place."""
    random = np.random.default_rng(1)
    for start in range(0, events, BLOCK):
        counts = random.poisson(hits, min(BLOCK, events - start))
        x, y, z = random.normal(size=(3, int(counts.sum()))).astype(np.float32)
        signal = (x + y + random.normal(size=len(x)) > 0).astype(np.int32)
        columns = {"hit_x": x, "hit_y": y, "hit_z": z, "hit_signal": signal}
        yield {name: ak.unflatten(values, counts) for name, values in columns.items()}


def study_of(folder: Path) -> dict[str, Any]:
    """Return the study of the file in a folder."""
    return {
        "name": "hits",
        "source": {"name": "files", "files": str(folder / "hits.parquet")},
        "targets": {
            "origin": {
                "on": "hit",
                "classes": {"noise": "hit_signal == 0", "signal": "hit_signal == 1"},
            }
        },
        "representation": {
            **{"name": "point_cloud", "group": "hit", "max_points": 10_000},
            **{"features": ["x", "y", "z"], "coordinates": ["x", "y"]},
        },
        "model": {"name": "particle_flow_network", "phi": [8], "f": [8]},
        "training": {"epochs": 1, "batch_size": 512, "events": 5_000},
        "storage": {"folder": str(folder / "cache"), "memory": MEMORY},
    }


def run_stage(stage: str, folder: Path) -> None:
    """Do the work of a stage in a folder."""
    import bunchtrain
    from bunchtrain.methods.tensor_files import read_tensors  # noqa: F401 (imports torch)
    from bunchtrain.workflow.folder import RunFolder
    from bunchtrain.workflow.preparation import event_cache
    from bunchtrain.workflow.trainings import (
        all_trainings,
        merge_predictions,
        predict_seed,
        train_model,
    )

    study = validate(study_of(folder))
    if stage == "imports":
        return
    cache = event_cache(study)
    run = RunFolder(folder / "run")
    if stage == "train":
        train_model(run, study, cache, "particle_flow_network", resume=True)
    elif stage == "test set":
        for one in all_trainings(run, study).values():
            predict_seed(run, study, cache, one)
        merge_predictions(run, study)
    elif stage == "file":
        from bunchtrain.trained_model import load
        from bunchtrain.workflow.predict_new_events import Predictor

        models = {"particle_flow_network": load(run.model("particle_flow_network"))}
        found = Predictor(study, models, {}).write(
            str(folder / "hits.parquet"), folder / "scores.parquet"
        )
        assert found.events == int(os.environ["EVENTS"]), found
    assert bunchtrain.__version__


def measure(events: int, hits: int, parent: str | None) -> dict[str, tuple[float, float]]:
    """Return stage → peak memory in MB and seconds."""
    found = {}
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        write_parquet(folder / "hits.parquet", blocks(events, hits))
        for stage in STAGES:
            begin = time.perf_counter()
            command = [sys.executable, __file__, "--stage", stage, "--folder", name]
            environment = {**os.environ, "EVENTS": str(events)}
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"{stage}: {done.stderr[-2000:]}")
            peak = float(done.stdout.split()[-1])
            found[stage] = (peak, time.perf_counter() - begin)
            print(f"{events:,} events, {stage}: {peak:.0f} MB, {found[stage][1]:.0f} s", flush=True)
    return found


def main() -> None:
    """Measure and print the table, or do one stage and print its peak memory in MB."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("events", nargs="*", type=int, default=[10_000, 100_000])
    options.add_argument("--hits", type=int, default=100)
    options.add_argument("--folder", help="for the temporary files")
    options.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.stage:
        run_stage(given.stage, Path(given.folder))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    columns = {events: measure(events, given.hits, given.folder) for events in given.events}
    table = Table("peak memory, MB", *(f"{events:,} events" for events in columns), "ratio")
    for stage in STAGES:
        peaks = [found[stage][0] for found in columns.values()]
        table.add_row(stage, *(f"{one:.0f}" for one in peaks), f"{peaks[-1] / peaks[0]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
