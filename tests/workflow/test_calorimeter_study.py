"""The study of particles in a calorimeter, with a few showers of low energy, where Geant4 is."""

from importlib.util import find_spec

import pytest

import bunchtrain
from bunchtrain.study import load
from bunchtrain.workflow.displays import display_run

NEEDS_GEANT4 = pytest.mark.skipif(
    find_spec("geant4_pybind") is None or find_spec("xraydb") is None,
    reason="needs pip install 'bunchtrain[geant4]'",
)
FEW = {"source.events": 200, "source.energy": [0.5, 1.5], "source.processes": 1}
FEW |= {"training.epochs": 1, "training.threads": 1}


@NEEDS_GEANT4
def test_calorimeter_particles(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    study = load("calorimeter_particles", **FEW)
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert list(run.metrics) == list(study.models)
    assert run.metrics["shapes"]["particle:auc_macro"]["value"] > 0.7
    for name in ("weighted_sum", "shapes_energy", "points", "volume"):
        assert run.metrics[name]["energy:half_width"]["value"] > 0
    shown = display_run(run.files, 3)
    assert any("hits" in one["title"] for one in shown.payload["panels"])


@NEEDS_GEANT4
def test_fine_calorimeter(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    names = ("points", "points_and_shapes")
    few = FEW | {f"models.{name}.training.epochs": 1 for name in names}
    pairs = [["electron", "charged_pion"]]
    pions = {"name": "regression", "subsets": {"pions": "pdg == -211"}}  # all below 10 GeV
    few["evaluation"] = [
        {"name": "classification", "efficiencies": [0.95], "pairs": pairs},
        *(pions, pions | {"of": "sums"}),
    ]
    run = bunchtrain.run(load("fine_calorimeter", **few), runs=tmp_path / "runs", jobs=1)
    assert run.metrics["shapes"]["particle:auc_macro"]["value"] > 0.7
    key = "particle:rejection_95/electron_against_charged_pion"
    for name in ("shapes", "points", "points_and_shapes", "sparse", "volume"):
        assert run.metrics[name][key]["value"] >= 1
    for name in ("weighted_sum", "compensation", "shapes_energy", "sparse"):
        assert run.metrics[name]["energy:half_width/pions"]["value"] > 0


@NEEDS_GEANT4
def test_charged_pions(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    few = FEW | {"models.points.training.epochs": 1}
    few |= {f"stages.{name}.train.training.epochs": 1 for name in ("dense", "deep_set")}
    few |= {f"stages.{name}.train.training.threads": 1 for name in ("dense", "deep_set")}
    few["evaluation"] = [
        "classification",
        {"name": "regression", "of": "energies", "baseline": "weighted_sum"},
    ]
    run = bunchtrain.run(load("charged_pions", **few), runs=tmp_path / "runs", jobs=1)
    assert run.metrics["shapes"]["auc"]["value"] > 0.7
    for name in ("compensation", "trees", "dense", "deep_set", "convolutions"):
        ratio = run.metrics[name]["half_width_ratio"]
        widths = [run.metrics[one]["half_width"]["value"] for one in (name, "weighted_sum")]
        assert ratio["value"] == pytest.approx(widths[0] / widths[1])
        assert ratio["error"] > 0


@NEEDS_GEANT4
def test_calorimeter_geometries(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    few = {name: value for name, value in FEW.items() if name.startswith("source")}
    networks = ["squares"]
    networks += [f"{n}_{end}" for n in ("hexagons", "towers", "deeper") for end in ("tuned", "new")]
    few |= {f"stages.{name}.train.training.epochs": 1 for name in networks}
    few |= {f"stages.{name}.train.training.threads": 1 for name in networks}
    run = bunchtrain.run(load("calorimeter_geometries", **few), runs=tmp_path / "runs", jobs=1)
    tested = {"on_squares.squares"}
    for geometry in ("hexagons", "towers", "deeper"):
        tested |= {
            f"on_{geometry}.{n}" for n in ("squares", f"{geometry}_tuned", f"{geometry}_new")
        }
    assert set(run.metrics) == tested
    assert all(0 < one["particle:accuracy"]["value"] < 1 for one in run.metrics.values())
