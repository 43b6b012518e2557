"""The studies of predicted uncertainty from start to finish, on the shipped sample."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain

SOURCE = f"source={{name: files, files: {SAMPLE}}}"
SMALL = ("select=event_id < 600", "training.epochs=1", "training.threads=1")


def run(tmp_path, study, only, *changes):
    keys = {change.partition("=")[0] for change in changes}
    small = [one for one in SMALL if one.partition("=")[0] not in keys]
    made = bunchtrain.load(study, SOURCE, *small, *changes)
    done = bunchtrain.run(made, runs=tmp_path, only=only, jobs=1)
    return done, pq.read_table(done.files.predictions_file)


def test_bayesian_top_tagging_gives_a_deviation_for_every_jet(tmp_path):
    names = ["dense_network_calibrated", "bayesian"]
    conformal = "models.dense_network_calibrated.calibration=[temperature, conformal]"
    changes = ["evaluation.efficiency_profile=null", "model.widths=[8]", conformal]
    changes += ["models.bayesian.posterior={name: bayes_by_backprop, draws: 5}"]
    changes += ["models.bayesian.training.epochs=2"]
    done, table = run(tmp_path, "bayesian_top_tagging", names, *changes)
    for name in names[1:]:
        assert (table[f"{name}_top_sigma"].to_numpy() > 0).all()
    assert "dense_network_calibrated_top_sigma" not in table.column_names
    figures = done.metrics["dense_network_calibrated"]
    assert figures["set_coverage_95"]["value"] == pytest.approx(0.95, abs=0.1)
    assert 0 < figures["set_size_68"]["value"] < figures["set_size_95"]["value"] <= 2
    page = done.files.report_file.read_text(encoding="utf-8")
    assert "Standard deviation of the probability" in page


def test_jet_energy_calibration_covers_and_compares_likelihoods(tmp_path):
    names = ["binned", "mean_variance"]
    changes = [
        "select=event_id < 1200 and truth_pt > 0",
        "targets.jet.values={log_response: log(truth_pt / jet_pt)}",
        "spectators=[jet_pt, jet_eta]",
        "evaluation.regression.against=[jet_pt]",
        "model.widths=[8]",
        "models.binned.model.bins=3",
        "split.validation=0.3",
        "split.train=0.3",
        "split.test=0.4",
    ]
    done, table = run(tmp_path, "jet_energy_calibration", names, *changes)
    for name in names:
        figures = done.metrics[name]
        assert figures["coverage_68"]["value"] == pytest.approx(0.68, abs=0.15)
        assert np.isfinite(figures["log_likelihood"]["value"])
        low, high = (table[f"{name}_log_response_{end}68"].to_numpy() for end in ("low", "high"))
        assert (high > low).all()
    page = done.files.report_file.read_text(encoding="utf-8")
    assert "Width of the pull against jet_pt" in page
