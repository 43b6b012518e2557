"""The studies of tracks with predicted covariances, from events to evaluations, at tiny size."""

from importlib.util import find_spec

import awkward as ak
import numpy as np
import pytest

import bunchtrain
from bunchtrain.report.results import Results
from bunchtrain.study import load

needs_acts = pytest.mark.skipif(
    find_spec("acts") is None or find_spec("pythia8mc") is None,
    reason="needs pip install 'bunchtrain[acts]'",
)
ONE = {"training.threads": 1, "training.epochs": 1}


def run_of(name, folder, monkeypatch, **options):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
    return bunchtrain.run(load(name, **ONE | options), runs=folder / "runs", jobs=1)


def rows_of(run):
    table = Results.load(run.files.path / "evaluations" / "predicted_covariance").tables[0]
    return [row[0] for row in table.rows]


@needs_acts
def test_track_follower(tmp_path, monkeypatch):
    gun = {"name": "acts_events", "states": True, "process": "gun", "part": 40, "processes": 1}
    gun |= {"events": 40, "gun_count": 3}
    tables = [gun, {**gun, "seed": 2}]
    run = run_of("track_follower", tmp_path, monkeypatch, **{"stages.events.source.tables": tables})
    found = run.metrics["lstm"]
    for end in ("", "/0", "/1"):
        assert found[f"pull_width/loc0{end}"]["value"] > 0
        assert 0 < found[f"ellipse_coverage{end}"]["value"] < 1
    assert {"lstm", "kalman_filter", "helix_fit"} <= set(rows_of(run))
    columns = run.predictions.columns
    for name in ("loc0", "loc1_sigma", "loc0_loc1_correlation"):  # at each measurement
        predicted = columns[f"lstm_{name}"]
        assert ak.num(predicted).to_list() == ak.num(columns["measurement_number"]).to_list()
        assert np.isfinite(ak.to_numpy(ak.flatten(predicted))).all()
    # the filter's own pulls, of a muon in the detector of its simulation
    pull = (columns["next_0"] - columns["measurement_kalman_loc0"]) / (
        columns["measurement_kalman_loc0_sigma"]
    )
    assert 0.7 < np.std(ak.to_numpy(ak.flatten(pull))) < 1.4


def test_track_images(tmp_path, monkeypatch):
    run = run_of("track_images", tmp_path, monkeypatch, **{"source.events": 500})
    found = run.metrics["image_cnn"]
    assert found["pull_width/slope"]["value"] > 0
    assert found["log_likelihood_gain/fit_to_true_hits"]["value"] < 0
    assert rows_of(run) == ["image_cnn", "fit_to_true_hits"]
