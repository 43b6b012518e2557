"""Pulls, ellipses and log-likelihoods with known answers, and what is refused."""

import awkward as ak
import numpy as np
import pytest
from synthetic_runs import SyntheticRun

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.statistics.metrics.covariance import PredictedGaussian
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Contents, PredictedColumn, Predictions
from bunchtrain.targets import Quantity, Target

TARGET = Target("next", values=("a", "b"), axis="point", expressions=("hit_a", "hit_b"))
QUANTITIES = [
    *map(Quantity, TARGET.values),
    *(Quantity(one, "sigma") for one in TARGET.values),
    Quantity("a_b", "correlation"),
]
COVARIANCE = np.array([[4.0, 1.5], [1.5, 1.0]])
SPECTATORS = [
    *("origin", "hit_number", "hit_scale_a", "hit_scale_b"),
    *(f"hit_filter_{one.name}" for one in QUANTITIES),
]
OPTIONS = {
    "baselines": {"filter": "hit_filter"},
    "scale": {"a": "hit_scale_a", "b": "hit_scale_b"},
    "by": "origin",
    "against": ["hit_number"],
}


def study(**changes):
    given = {
        "name": "synthetic",
        "source": {"name": "files", "files": "hits.parquet"},
        "targets": {"next": {"on": "hit", "values": {"a": "hit_a", "b": "hit_b"}}},
        "spectators": SPECTATORS,
        "representation": {"name": "sequence", "group": "hit", "features": ["x"],
                           "coordinates": ["x", "y"]},
        "model": "recurrent_network",
        "loss": "multivariate_gaussian_nll",
    }  # fmt: skip
    return Study.model_validate(given | changes)


def run_of(width=1.0, events=3000, seed=1):
    """Return a run whose model has the covariance times width², and a filter with twice its σ.

    The scale is (2, −1), so that predictions are in units of it.
    """
    random = np.random.default_rng(seed)
    counts = random.integers(1, 6, events)
    size = counts.sum()
    residual = random.multivariate_normal([0, 0], COVARIANCE, size)
    scale = np.array([2.0, -1.0])
    sigma = np.sqrt(np.diag(COVARIANCE))
    rho = -COVARIANCE[0, 1] / sigma.prod()  # one of the axes points the other way

    def gaussian(factor):
        one = np.ones(size)
        values = [0 * one, 0 * one, *(factor * sigma / np.abs(scale))[:, None] * one, rho * one]
        return dict(zip((q.name for q in QUANTITIES), values, strict=True))

    flat = {f"lstm_{n}": v for n, v in gaussian(width).items()}
    flat |= {f"hit_filter_{n}": v for n, v in gaussian(2 * width).items()}
    flat |= {"next_0": residual[:, 0] / scale[0], "next_1": residual[:, 1] / scale[1]}
    flat |= {"hit_scale_a": np.full(size, scale[0]), "hit_scale_b": np.full(size, scale[1])}
    flat["hit_number"] = random.integers(3, 9, size)
    columns = {n: ak.unflatten(v, counts) for n, v in flat.items()}
    columns |= {"weight": np.ones(events), "entry": np.arange(events)}
    columns["origin"] = np.arange(events) % 2
    content = {f"lstm_{q.name}": PredictedColumn("lstm", "next", q) for q in QUANTITIES}
    contents = Contents({"next": TARGET}, {"lstm": ["lstm"]}, [], content)
    return SyntheticRun(study(), Predictions(contents, columns))


def test_the_right_covariance_has_unit_pulls_and_the_coverage_of_the_ellipse():
    evaluation, run = parts.build("evaluation", "predicted_covariance", OPTIONS), run_of()
    evaluation.check(run.study)
    found = evaluation.metrics(run)["lstm"]
    for end in ("", "/0", "/1"):
        for value, sigma in (("a", 2.0), ("b", 1.0)):
            width = found[f"pull_width/{value}{end}"]
            assert width["value"] == pytest.approx(1, abs=4 * width["error"])
            assert 0.002 < width["error"] < 0.02
            middle = found[f"pull_mean/{value}{end}"]
            assert abs(middle["value"]) < 4 * middle["error"]
            half = found[f"residual/{value}{end}"]
            assert half["value"] == pytest.approx(sigma, abs=4 * half["error"])
        inside = found[f"ellipse_coverage{end}"]
        assert inside["value"] == pytest.approx(0.68, abs=4 * inside["error"])
        # −½ (2 log 2π + log det Σ + 2)
        expected = -np.log(2 * np.pi) - 0.5 * np.log(np.linalg.det(COVARIANCE)) - 1
        logs = found[f"log_likelihood{end}"]
        assert logs["value"] == pytest.approx(expected, abs=4 * logs["error"])
        # Twice the σ: log 4 more and ¼ of the squares, log 4 − 3/4.
        gain = found[f"log_likelihood_gain/filter{end}"]
        assert gain["value"] == pytest.approx(np.log(4) - 0.75, abs=4 * gain["error"])


def test_a_prediction_that_is_too_large_has_a_positive_pull():
    evaluation, run = parts.build("evaluation", "predicted_covariance", OPTIONS), run_of()
    columns = run.predictions.columns
    columns["lstm_a"] = columns["lstm_a"] + 1.0  # σ/scale
    found = evaluation.metrics(run)["lstm"]["pull_mean/a"]
    assert found["value"] == pytest.approx(1, abs=4 * found["error"])


def test_half_of_the_sigma_has_pulls_of_two():
    found = parts.build("evaluation", "predicted_covariance", {}).metrics(run_of(0.5))["lstm"]
    assert found["pull_width/a"]["value"] == pytest.approx(2, abs=0.05)
    expected = 1 - np.exp(np.log(0.32) / 4)  # χ² of two degrees of freedom, four times as large
    assert found["ellipse_coverage"]["value"] == pytest.approx(expected, abs=0.02)


def test_the_error_is_that_of_toys():
    toys = [
        parts.build("evaluation", "predicted_covariance", {}).metrics(run_of(events=150, seed=k))
        for k in range(60)
    ]
    for name in ("pull_width/a", "ellipse_coverage", "log_likelihood"):
        values = np.array([one["lstm"][name]["value"] for one in toys])
        errors = np.array([one["lstm"][name]["error"] for one in toys])
        assert values.std() == pytest.approx(errors.mean(), rel=0.3)


def test_tables_and_plots_have_the_baseline():
    results = parts.build("evaluation", "predicted_covariance", OPTIONS).evaluate(run_of())
    assert [row[0] for row in results.tables[0].rows] == ["lstm", "filter"]
    assert len(results.tables) == 3
    assert "with origin 1" in results.tables[2].caption
    assert {plot.caption for plot in results.plots} >= {
        "Pull of a.",
        "Width of the pull of b against hit_number.",
        "Coverage of the 68 % ellipse against hit_number.",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "nxt"}, "needs target 'nxt'.*did you mean 'next'"),
        ({"scale": {"c": "hit_scale_a"}}, "has no value 'c'"),
        ({"scale": {"a": "hit_scale"}}, "is not listed in 'spectators'"),
        ({"baselines": {"other": "hit_filte"}}, "did you mean 'hit_filter_a'"),
        ({"by": "orign"}, "did you mean 'origin'"),
        ({"against": ["hit_numbr"]}, "did you mean 'hit_number'"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(StudyError, match=message):
        parts.build("evaluation", "predicted_covariance", options).check(study())


def test_a_covariance_that_is_none_and_an_empty_table_end_in_a_sentence():
    with pytest.raises(DataError, match="of row 1 is not positive definite"):
        PredictedGaussian.of(np.zeros((2, 2)), np.ones((2, 2)), np.array([[0.5], [1.5]]))
    with pytest.raises(DataError, match="of row 0 is not positive definite"):
        PredictedGaussian.of(np.zeros((1, 2)), np.full((1, 2), np.nan), np.zeros((1, 1)))
    run = run_of(events=10)
    run.predictions = run.predictions.take(np.zeros(10, bool))
    with pytest.raises(DataError, match="the test set has no rows"):
        parts.build("evaluation", "predicted_covariance", {}).metrics(run)
