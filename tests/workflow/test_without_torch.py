"""Studies of models that are fit in one call, their tables, plots and reports need no torch."""

import subprocess
import sys

import numpy as np
import pytest

STUDY = """
source: {{name: files, files: {folder}/events.csv}}
targets: {{kind: {{classes: {{background: signal == 0, signal: signal == 1}}}}}}
representation: {{name: table, features: [pt, mass]}}
models:
  trees: {{model: {{name: boosted_trees, trees: 5}}}}
  histograms: {{model: {{name: histogram_trees, trees: 5}}}}
  forest: {{model: {{name: random_forest, trees: 5}}}}
  linear: {{model: linear_classifier}}
"""
#: Runs commands in one process, and prints which of the packages they have imported.
CODE = """
import sys
from bunchtrain.cli.main import app
for words in {commands!r}:
    if "RUN" in words:
        from pathlib import Path
        run = str(next(Path("runs").glob("*/*/report.html")).parent)
        words = [run if word == "RUN" else word for word in words]
    app(words, standalone_mode=False)
print("imported", [name for name in ("torch", "pytorch_lightning") if name in sys.modules])
"""
COMMANDS = {
    "run": [
        ["run", "study.yaml"],
        ["predict", "RUN", "events.csv", "-o", "predictions.parquet"],
        ["report", "RUN"],
    ],
    "check": [["check", "study.yaml"]],
    "inspect": [["inspect", "events.csv"]],
}


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(1)
    signal = random.integers(0, 2, 600)
    table = np.stack([random.exponential(50, 600) + 20 * signal, random.normal(90, 9, 600), signal])
    header = "pt,mass,signal"
    np.savetxt(tmp_path / "events.csv", table.T, "%.4f", ",", header=header, comments="")
    (tmp_path / "study.yaml").write_text(STUDY.format(folder=tmp_path), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_import_neither_torch_nor_lightning(folder, name):
    code = CODE.format(commands=COMMANDS[name])
    words = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported []"
