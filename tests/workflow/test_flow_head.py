"""A regression with two solutions: the density of a flow, from training to predictions."""

import csv

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import bunchtrain
from bunchtrain.errors import StudyError
from bunchtrain.study.loading import validate
from bunchtrain.trained_files import load


def make_study(folder, **changes):
    random = np.random.default_rng(1)
    x, sign = random.uniform(0, 1, 3000), random.choice([-1, 1], 3000)
    y = 100 + 20 * sign * (0.5 + x) + 2 * random.normal(size=3000)
    pq.write_table(pa.table({"x": x, "y": y}), folder / "peaks.parquet")
    study = {
        "name": "peaks",
        "source": {"name": "files", "files": str(folder / "peaks.parquet")},
        "targets": {"v": {"values": {"y": "y"}}},
        "representation": {"name": "table", "features": ["x"]},
        "split": {"name": "fraction"},
        "model": {"name": "dense_network", "widths": [32]},
        "models": {"gauss": {"loss": "gaussian_nll"}, "flow": {"loss": "normalizing_flow"}},
        "training": {"epochs": 8, "batch_size": 50, "learning_rate": 0.01},
        "evaluation": ["regression"],
    }
    return validate({**study, **changes})


def test_a_flow_has_the_likelihood_coverage_and_columns_of_two_peaks(tmp_path):
    run = bunchtrain.run(make_study(tmp_path), runs=tmp_path / "runs", jobs=1)
    best = {}
    for name in ("gauss", "flow"):
        with (run.files.model(name) / "history.csv").open() as file:
            best[name] = min(float(row["validation_loss"]) for row in csv.DictReader(file))
    assert best["flow"] < best["gauss"] - 0.5
    assert run.metrics["flow"]["coverage_68"]["value"] == pytest.approx(0.68, abs=0.1)
    assert run.metrics["flow"]["coverage_95"]["value"] == pytest.approx(0.95, abs=0.05)
    ends = ("", "_sigma", "_q2p5", "_q16", "_q50", "_q84", "_q97p5")
    assert {f"flow_y{end}" for end in ends} <= set(run.predictions.columns)
    run.predict(str(tmp_path / "peaks.parquet"), tmp_path / "found.parquet")
    found = pq.read_table(tmp_path / "found.parquet")["flow_y_q84"].to_numpy()
    entry = run.predictions.columns["entry"]
    np.testing.assert_allclose(found[entry], run.predictions.columns["flow_y_q84"], rtol=1e-4)
    model = load(run.files.model("flow"))
    outputs = model.draws(model.represent(ak.Array({"x": [0.5] * 2000}))[0])["v"][0]
    density = model.task.heads()["v"].distribution(outputs)
    sample = density.sample()[:, 0].numpy()
    assert abs(sample - 100).mean() == pytest.approx(20, abs=3)
    assert (
        density.log_prob(torch.full((2000, 1), 120.0)).mean()
        > density.log_prob(torch.full((2000, 1), 100.0)).mean()
    )


def test_a_posterior_of_a_flow_is_an_error_before_any_work(tmp_path):
    study = make_study(tmp_path, posterior={"name": "deep_ensemble"})
    with pytest.raises(StudyError, match="posterior 'deep_ensemble' cannot mix the densities"):
        bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
