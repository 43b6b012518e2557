"""The studies of overlapping showers, with a few showers of low energy, where Geant4 is."""

from importlib.util import find_spec

import awkward as ak
import numpy as np
import pytest

import bunchtrain
from bunchtrain.report.results import Results
from bunchtrain.study import load

pytestmark = pytest.mark.skipif(
    find_spec("geant4_pybind") is None or find_spec("xraydb") is None,
    reason="needs pip install 'bunchtrain[geant4]'",
)
FEW = {"source.showers.events": 100, "source.showers.energy": [2.0], "source.showers.part": 100}
ONE = {"source.showers.processes": 1, "training.threads": 1, "training.epochs": 1}


def run_of(name, folder, monkeypatch, **options):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
    study = load(name, **FEW | ONE | options)
    return study, bunchtrain.run(study, runs=folder / "runs", jobs=1)


def rows_of(run, evaluation):
    table = Results.load(run.files.path / "evaluations" / evaluation).tables[0]
    return {row[0]: row for row in table.rows}


def test_overlapping_showers(tmp_path, monkeypatch):
    short = {
        f"models.{name}.training.epochs": 1
        for name in ("gar_net", "grav_net", "edge_convolution", "grid", "recurrent")
    }
    given = {"source.events": 60, **short}
    study, run = run_of("overlapping_showers", tmp_path, monkeypatch, **given)
    assert list(run.metrics) == list(study.models)
    for metrics in run.metrics.values():
        assert metrics["response_spread"]["value"] > 0
    assert {"nearest_axis", "profile_weights"} <= set(rows_of(run, "shower_fractions"))
    columns = run.predictions.columns
    for name in study.models:  # a fraction for each hit
        first, second = (columns[f"{name}_{one}"] for one in ("first", "second"))
        assert ak.num(first).to_list() == ak.num(columns["hit_x"]).to_list()
        np.testing.assert_allclose(ak.flatten(first + second), 1.0, rtol=1e-5)


def test_many_showers(tmp_path, monkeypatch):
    given = {"source.events": 40, "source.count": [2, 5]}
    _, run = run_of("many_showers", tmp_path, monkeypatch, **given)
    found = run.metrics["grav_net"]
    assert 0 <= found["cluster_efficiency"]["value"] <= 1
    assert {"grav_net", "clue", "dbscan"} <= set(rows_of(run, "clustering_efficiency"))
    columns = run.predictions.columns
    assert ak.num(columns["grav_net_showers"]).to_list() == ak.num(columns["hit_x"]).to_list()
