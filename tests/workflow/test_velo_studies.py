"""The studies of hits and tracks, on simulated events in place of the published ones."""

import pytest

import bunchtrain
from bunchtrain.errors import DataError, RunError
from bunchtrain.study import load
from bunchtrain.workflow.displays import display_run

SOURCE = {"name": "straight_tracks", "events": 60, "particles": 15, "noise": 10}
FAST = {"source": SOURCE, "training.epochs": 3, "training.threads": 1}


def test_velo_tracks(tmp_path):
    run = bunchtrain.run(load("velo_tracks", **FAST), runs=tmp_path, jobs=1)
    found = run.metrics["graph_network"]
    assert found["auc"]["value"] > 0.6
    assert 0 <= found["track_efficiency"]["value"] <= 1
    page = run.files.report_file.read_text(encoding="utf-8")
    assert "triplet_search" in page
    assert "Track efficiency against particle_pt" in page
    assert 'class="ev-display"' in page
    shown = display_run(run.files, 3)
    views = [one["title"] for one in shown.payload["panels"][:2]]
    assert views == ["hits in space: truth: particle", "hits in space: graph_network: tracks"]
    assert ("entry", str(run.predictions.columns["entry"][3])) in shown.facts
    with pytest.raises(DataError, match="there is no event 99 in the test set"):
        display_run(run.files, 99)
    with pytest.raises(RunError, match="has no model 'graph'; did you mean 'graph_network'"):
        display_run(run.files, 3, model="graph")


def test_velo_hits(tmp_path):
    run = bunchtrain.run(load("velo_hits", **FAST), runs=tmp_path, jobs=1)
    assert list(run.metrics) == ["graph", "deep_set"]
    assert run.metrics["graph"]["auc"]["value"] > 0.5
