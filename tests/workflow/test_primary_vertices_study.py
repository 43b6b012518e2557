"""The studies of vertices, with a few events, where ACTS is."""

from importlib.util import find_spec

import pytest

import bunchtrain
from bunchtrain.study import load

pytestmark = pytest.mark.skipif(
    find_spec("acts") is None or find_spec("pythia8mc") is None,
    reason="needs pip install 'bunchtrain[acts]'",
)


def few(pile_up, seed):
    one = {"name": "acts_events", "events": 6, "part": 6, "seed": seed, "processes": 1}
    return one | {"pile_up": pile_up, "pool": 20}


def run_of(name, folder, monkeypatch, **changes):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
    study = load(name, size="demo", **changes)
    return bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_primary_vertices(tmp_path, monkeypatch):
    tables = [few(5, 2), few([5, 10], 71) | {"events": 20, "part": 20}]
    changes = {"source.tracks.tables": tables, "training.epochs": 1, "training.threads": 1}
    run = run_of("primary_vertices", tmp_path, monkeypatch, **changes)
    found = run.metrics["u_net"]
    assert 0 <= found["vertex_efficiency"]["value"] <= 1
    assert found["false_vertices"]["value"] >= 0


def test_decay_points(tmp_path, monkeypatch):
    epochs = "stages.deep_set.train.training.epochs"
    tables = [few(0, seed) | {"events": 20, "part": 20} for seed in (1, 2)]
    changes = {"source.tables": tables, epochs: 1, "split.train": 0.4, "split.validation": 0.3}
    run = run_of("decay_points", tmp_path, monkeypatch, **changes)
    assert run.folder.exists()
