"""The study of particles in a calorimeter, with a few showers of low energy, where Geant4 is."""

from importlib.util import find_spec

import pytest

import bunchtrain
from bunchtrain.study import load
from bunchtrain.workflow.displays import display_run


@pytest.mark.skipif(
    find_spec("geant4_pybind") is None or find_spec("xraydb") is None,
    reason="needs pip install 'bunchtrain[geant4]'",
)
def test_calorimeter_particles(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    few = {"source.events": 200, "source.energy": [0.5, 1.5], "source.processes": 1}
    study = load("calorimeter_particles", **few, **{"training.epochs": 1, "training.threads": 1})
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert list(run.metrics) == list(study.models)
    assert run.metrics["shapes"]["particle:auc_macro"]["value"] > 0.7
    for name in ("weighted_sum", "shapes_energy", "points", "volume"):
        assert run.metrics[name]["energy:half_width"]["value"] > 0
    shown = display_run(run.files, 3)
    assert any("hits" in one["title"] for one in shown.payload["panels"])
