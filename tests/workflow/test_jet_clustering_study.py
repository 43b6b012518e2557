"""The study of jets by condensation, with few events."""

import pytest

import bunchtrain
from bunchtrain.report.results import Results
from bunchtrain.study import load

pytest.importorskip("pythia8mc")


def test_jet_clustering(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    changes = {"source.events": 60, "source.part": 60, "source.pool": 100, "source.pile_up": 8}
    changes |= {"source.processes": 1, "training.epochs": 2, "training.threads": 1}
    study = load("jet_clustering", size="demo", **changes)
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    found = run.metrics["grav_net"]
    assert 0 <= found["cluster_efficiency"]["value"] <= 1
    results = Results.load(run.files.path / "evaluations" / "clustering_efficiency")
    rows = {row[0]: row for row in results.tables[0].rows}
    assert list(rows)[:4] == ["grav_net", "anti_kt", "anti_kt_tracks", "anti_kt_cut"]
    # Jets of more than 30 GeV are found by anti-kT, with fakes of pile-up.
    assert float(rows["anti_kt"][1].split()[0]) > 0.9
    assert "Clustering efficiency against jet_pt" in " ".join(p.caption for p in results.plots)
