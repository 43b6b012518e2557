"""The studies of hits and tracks, on simulated events in place of the published ones."""

import bunchtrain
from bunchtrain.study import load

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


def test_velo_hits(tmp_path):
    run = bunchtrain.run(load("velo_hits", **FAST), runs=tmp_path, jobs=1)
    assert list(run.metrics) == ["graph", "deep_set"]
    assert run.metrics["graph"]["auc"]["value"] > 0.5
