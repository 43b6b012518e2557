"""300 toys of a small network in one study, against separate runs of one toy each.

    python benchmarks/toys.py [--toys 300] [--runs 3] [--epochs 10]

A toy is 1,000 made-up events in two samples, drawn from a pool, prepared, a dense network of 16
units trained to tell them apart, its test set predicted and evaluated. In one study they are
repetitions of these stages (`repeat`). A separate run is `bunchtrain run` of the same stages
alone, in a process of its own; a few are timed, one after the other, and the time of as many as
there are toys is extrapolated from their mean.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.tables.writing import write_parquet

CHAIN = ["data", "reference", "both", "fit", "scores"]


def make_study(folder: Path, epochs: int) -> dict[str, Any]:
    """Return a study of one toy, from a pool of 20,000 events in a folder."""
    random = np.random.default_rng(1)
    pool = {name: random.normal(size=20_000) for name in ("x", "y", "z")}
    write_parquet(folder / "pool.parquet", [pool])
    drawn = {"name": "resample", "of": "source", "method": "subsample", "rows": 500}
    targets = {"sample": {"classes": {"reference": "origin == 0", "data": "origin == 1"}}}
    network = {"name": "dense_network", "widths": [16]}
    return {
        "source": {"name": "files", "files": str(folder / "pool.parquet")},
        "representation": {"name": "table", "features": ["x", "y", "z"]},
        "training": {"epochs": epochs, "batch_size": 100, "threads": 1},
        "split": {"name": "fraction", "train": 0.5, "validation": 0.1, "test": 0.4},
        "storage": {"folder": str(folder / "cache")},
        "stages": {
            "data": {"transform": drawn},
            "reference": {"transform": {**drawn, "seed": 2}},
            "both": {"prepare": {"of": ["reference", "data"], "targets": targets}},
            "fit": {"train": {"of": "both", "model": network}},
            "scores": {"predict": {"of": "fit"}},
        },
        "evaluation": [{"name": "two_sample_test", "of": "scores"}],
    }


def timed_run(study: dict[str, Any], path: Path, *only: str) -> float:
    """Return the seconds of `bunchtrain run` of a study, in a process of its own."""
    path.write_text(json.dumps(study))
    command = [sys.executable, "-m", "bunchtrain", "run", str(path), "--fresh", "--runs"]
    began = time.perf_counter()
    subprocess.run([*command, str(path.parent / "runs"), *only], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toys", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        one = make_study(place, options.epochs)
        together = copy.deepcopy(one)
        toys = {"over": "toys", "times": options.toys, "run": CHAIN}
        together["stages"]["toys"] = {"repeat": toys}
        seconds = timed_run(together, place / "together.yaml", "--only", "toys")
        alone = [
            timed_run({**one, "seed": seed}, place / f"toy_{seed}.yaml")
            for seed in range(1, options.runs + 1)
        ]
    extrapolated = options.toys * float(np.mean(alone))
    spread = float(np.std(alone))
    print(f"{options.toys} toys in one study: {seconds:.1f} s")
    print(f"a separate run: {np.mean(alone):.1f} ± {spread:.1f} s ({options.runs} runs)")
    print(f"{options.toys} separate runs, extrapolated: {extrapolated:.0f} s")
    print(f"ratio: {extrapolated / seconds:.1f}")


if __name__ == "__main__":
    main()
