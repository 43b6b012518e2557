"""The study of particle flow, with a few events of low energy, where Geant4 is."""

from importlib.util import find_spec

import pytest

import bunchtrain
from bunchtrain.study import load


@pytest.mark.skipif(
    find_spec("geant4_pybind") is None or find_spec("xraydb") is None,
    reason="needs pip install 'bunchtrain[geant4]'",
)
def test_particle_flow(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    few = {"source.events": 120, "source.energy": [1.0, 3.0], "source.processes": 1}
    study = load("particle_flow", **few, **{"training.epochs": 1, "training.threads": 1})
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert list(run.metrics) == ["grav_net", "cnn"]
    for metrics in run.metrics.values():
        assert 0.5 < metrics["neutral_mean"]["value"] < 3
        assert 0.02 < metrics["jet_width"]["value"] < 1
