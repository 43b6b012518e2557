"""Coverage, likelihood and log loss by value."""

import numpy as np
import pytest
from scipy.stats import norm

from bunchtrain.report.labels import label
from bunchtrain.statistics.classification import measure_classification, measure_sets
from bunchtrain.statistics.metrics import coverage, gaussian_interval, log_likelihood, log_loss
from bunchtrain.statistics.regression import measure_regression
from bunchtrain.targets import Target


def test_coverage_by_hand():
    figure = coverage(np.array([0.0, 1, 2, 3]), np.zeros(4), np.full(4, 2.0))
    assert figure.value == 0.75
    assert figure.error == pytest.approx(np.sqrt(0.75 * 0.25 / 4), rel=0.1)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_gaussians_are_covered_as_their_intervals_say(level):
    rng = np.random.default_rng(1)
    sigma = rng.uniform(1, 3, 100_000)
    truth = rng.normal(5, sigma)
    figure = coverage(truth, *gaussian_interval(np.full(100_000, 5.0), sigma, level))
    assert abs(figure.value - level) < 4 * figure.error < 0.01


def test_likelihood_is_that_of_a_gaussian():
    truth, mean, sigma = np.array([0.0, 3, -1]), np.array([1.0, 1, 1]), np.array([0.5, 2, 1])
    figure = log_likelihood((mean - truth) / sigma, sigma)
    assert figure.value == pytest.approx(norm.logpdf(truth, mean, sigma).mean())


def test_log_loss_by_hand():
    scores, truth = np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([1, 0])
    assert log_loss(scores, truth).value == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)


def test_intervals_take_the_place_of_the_gaussian():
    truth = np.arange(1.0, 101.0)
    low, high = np.zeros(100), np.full(100, 40.0)
    found = measure_regression(truth + 0.5, truth, None, np.ones(100), {0.68: (low, high)})
    assert found["coverage_68"]["value"] == 0.4
    assert found["coverage_95"]["value"] == 1
    assert label("coverage_68") == "Coverage of 68 % intervals"


def test_classifiers_have_a_log_loss():
    scores = np.array([[0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    found = measure_classification(
        scores, np.array([1, 0, 0, 1]), None, Target("jet", ("qcd", "top"))
    )
    assert found["log_loss"]["value"] > 0


def test_sets_of_classes_by_hand():
    """Truths 0, 2 and 1 are in the sets {0, 1}, {} and {1}: two of three, one class each."""
    inside = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0]], bool)
    found = measure_sets({0.68: inside}, np.array([0, 2, 1]))
    assert found["set_coverage_68"]["value"] == pytest.approx(2 / 3)
    assert found["set_size_68"]["value"] == pytest.approx(1)
    assert label("set_size_68") == "Classes in 68 % sets"
    weighted = measure_sets({0.68: inside}, np.array([0, 2, 1]), np.array([1.0, 0, 0]))
    assert weighted["set_size_68"]["value"] == 2
