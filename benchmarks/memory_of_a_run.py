"""Peak memory of each stage of a whole run, for files that are ten and a hundred times as large.

    python benchmarks/memory_of_a_run.py [JETS...] [--memory "500 MB"] [--folder FOLDER]

A ROOT file of jets with 20–80 particles is written block by block; `bunchtrain run` selects,
trains a small Particle Flow Network on a fixed number of jets, predicts the test set, evaluates it
and writes the report, each run in a process of its own. The peaks are those in the `stages.json` of
the run; their ratio is to the smallest file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from root_to_batches import write_jets


def study_of(folder: Path, memory: str) -> dict[str, Any]:
    """Return the study of the file in a folder."""
    return {
        "name": "memory",
        "source": {"name": "files", "files": str(folder / "jets.root")},
        "select": "jet_pt > 500 and jet_pt < 1000",
        "targets": {"jet": {"classes": {"qcd": "label_qcd == 1", "top": "label_top == 1"}}},
        "split": {"name": "fraction", "train": 0.5, "validation": 0.1, "test": 0.4},
        "spectators": ["jet_pt"],
        "representation": {"name": "point_cloud", "group": "part"},
        "model": {"name": "particle_flow_network", "phi": [16], "f": [16]},
        "training": {"epochs": 1, "batch_size": 512, "events": 5_000, "threads": 1},
        "evaluation": ["classification"],
        "storage": {"folder": str(folder / "cache"), "memory": memory},
    }


def measure(jets: int, memory: str, parent: str | None) -> dict[str, float]:
    """Return stage → peak memory of a run in MB, and that of the process."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        write_jets(folder / "jets.root", jets)
        (folder / "study.yaml").write_text(yaml.safe_dump(study_of(folder, memory)))
        command = """
import resource, sys
from bunchtrain.cli.main import main
sys.argv = ["bunchtrain", "run", "study.yaml"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
        done = subprocess.run(
            [sys.executable, "-c", command], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        record = json.loads(next(folder.glob("runs/memory/*/stages.json")).read_text())
        stages = record.get("stages", record)
        found = {
            stage: float(one["memory_mb"]) for stage, one in stages.items() if "memory_mb" in one
        }
        return found | {"whole process": float(done.stdout.split("peak")[-1])}


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("jets", nargs="*", type=int, default=[20_000, 200_000, 2_000_000])
    options.add_argument("--memory", default="500 MB", help="storage.memory of the study")
    options.add_argument("--folder", help="for the temporary files")
    given = options.parse_args()
    found = [measure(jets, given.memory, given.folder) for jets in given.jets]
    heads = [text for jets in given.jets for text in (f"{jets:,} jets, MB", "ratio")]
    table = Table("stage", *heads)
    for stage, smallest in found[0].items():
        cells = [
            text for one in found for text in (f"{one[stage]:.0f}", f"{one[stage] / smallest:.2f}")
        ]
        table.add_row(stage, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
