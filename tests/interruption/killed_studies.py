"""Shipped studies at tiny size, and what a run has written, to be compared with another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bunchtrain.methods.tensor_files import read_tensors

_FILE = Path(__file__).resolve().parents[2] / "samples" / "boosted_jets.parquet"
_SAMPLE = f"{{name: files, files: {_FILE}}}"
_FEW = "representation.features=[m_bb,m_wwbb]"
#: Study → what makes its run take a few seconds, one thread of one process.
TINY: Mapping[str, tuple[str, ...]] = {
    "two_sample_test": (
        "training.epochs=1",
        "stages.toys.repeat.times=2",
        "stages.signals.repeat.times=1",
        "stages.signals.repeat.scan={data.transform.number: [0, 50]}",
        _FEW,
    ),
    "kfold_tagging": (
        "training.epochs=1",
        "models.boosted_trees.model.trees=3",
        "stages.folded_trees.train.model.trees=3",
        "stages.events.prepare.split.folds=3",
        "select=lepton_pt > 1.7",
        _FEW,
    ),
    "rate_control": (
        "models.boosted_trees.model.trees=5",
        "stages.menu.rollout.episodes=2",
        "stages.menu.rollout.environment.blocks=40",
        "select=event_id % 50 == 0",
    ),
    "window_scan": (
        "training.epochs=1",
        "stages.trees.train.model.trees=3",
        "stages.mass_windows.repeat.scan={window.transform.constants.centre: [0.19, 0.21]}",
        "stages.window.transform.constants.centre=0.2",
    ),
    "top_tagging": (
        f"source={_SAMPLE}",
        "training.epochs=1",
        "representation.max_points=10",
        "models.particle_net=null",
        "models.particle_transformer=null",
    ),
    "second_network": (
        f"stages.jets.source={_SAMPLE}",
        "training.epochs=1",
        "models.second_trees.model.trees=3",
        "models.observables.model.trees=3",
    ),
    "higgs_tabular": ("training.epochs=2", "select=lepton_pt > 1.7", _FEW),
}
#: Study → the study whose finished run its stages `trained` read.
FIRST: Mapping[str, str] = {"second_network": "top_tagging"}
#: What a run has written that decides its results, without times, logs and its name.
_RESULTS = (
    *("predictions.parquet", "metrics.json", "models/**/weights.*", "models/**/history.csv"),
    *("ensembles/*.json", "stages/**/*.parquet", "stages/**/weights.*", "stages/**/history.csv"),
    *("stages/**/data.json", "stages/**/repetitions.json", "evaluations/*/*.json"),
    *("exports/**/network.json", "stages/**/*.onnx"),
)
#: Evaluations that plot the measured speed of models, where it differs enough.
_TIMED = ("model_comparison",)


def run_folder(place: Path, study: str = "*") -> Path | None:
    """Return the folder of the only run of a study, None if it was killed before."""
    return next((path.parent for path in sorted(place.glob(f"runs/{study}/*/study.yaml"))), None)


def study_results(place: Path, study: str = "*") -> dict[str, Any]:
    """Return file → what it says for all results of the finished run of a study."""
    folder = run_folder(place, study)
    assert folder is not None
    assert (folder / "environment.json").is_file()
    assert (folder / "report.html").is_file()
    files = sorted({path for pattern in _RESULTS for path in folder.glob(pattern)})
    files = [path for path in files if path.parent.name not in _TIMED]
    found = {path.relative_to(folder).as_posix(): content(path) for path in files}
    stages = json.loads((folder / "stages.json").read_text())["stages"]
    found["stages.json"] = {name: (one["state"], one["key"]) for name, one in stages.items()
                            if one["kind"] != "export"}  # fmt: skip
    found["status.json"] = json.loads((folder / "status.json").read_text())["state"]
    return found


def content(path: Path) -> str:
    """Return what a file of results says, as text or as its hash."""
    if path.suffix == ".parquet":
        return digest(repr(pq.read_table(path).to_pydict()).encode())
    if path.suffix == ".safetensors":
        return digest(repr({k: v.tolist() for k, v in read_tensors(path).items()}).encode())
    if path.suffix == ".csv":
        return digest("\n".join(_without_times(path)).encode())
    return digest(path.read_bytes())


def _without_times(path: Path) -> list[str]:
    """Return the lines of a table without its columns of seconds and rates."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if "second" not in name and "rate" not in name]
    return [",".join(row[i] for i in kept) for row in rows]


def digest(text: bytes) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text).hexdigest()


def differences(expected: Any, found: Any) -> list[str]:
    """Return the names of the results that differ."""
    if not isinstance(expected, Mapping) or not isinstance(found, Mapping):
        return [] if expected == found else ["all"]
    return [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
