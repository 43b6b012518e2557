import numpy as np
import pytest

from bunchtrain.statistics.metrics import binned_efficiency, calibration, confusion_matrix


def test_true_probabilities_lie_on_the_diagonal_within_errors():
    rng = np.random.default_rng(5)
    p = rng.uniform(size=40_000)
    curve = calibration(p, rng.uniform(size=p.size) < p)
    pulls = (curve.observed - curve.predicted) / curve.error
    assert 0.1 < np.mean(pulls**2) < 1.9
    assert curve.share.sum() == pytest.approx(1)


def test_a_constant_prediction_is_wrong_by_its_distance_from_the_rate():
    truth = np.arange(1000) < 300
    figure = calibration(np.full(1000, 0.8), truth).expected_error
    assert figure.value == pytest.approx(0.5)
    assert figure.error == pytest.approx(np.sqrt(0.3 * 0.7 / 1000))


def test_integer_weights_are_repetition():
    rng = np.random.default_rng(6)
    p, truth, weights = rng.uniform(size=200), rng.uniform(size=200) < 0.5, rng.integers(1, 4, 200)
    one = calibration(p, truth, weights)
    other = calibration(np.repeat(p, weights), np.repeat(truth, weights))
    np.testing.assert_allclose(one.observed, other.observed)
    np.testing.assert_allclose(one.predicted, other.predicted)


def test_confusion_matrix_by_hand():
    decided, truth = np.array([0, 0, 1, 2, 2, 1]), np.array([0, 0, 0, 1, 1, 1])
    matrix, errors = confusion_matrix(np.eye(3)[decided], truth)
    np.testing.assert_allclose(matrix[:2], [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    assert errors[0, 0] == pytest.approx(np.sqrt(2 / 9 / 3))
    assert np.isnan(matrix[2]).all()


def test_binned_efficiency_holds_the_truth_in_68_percent_of_bins():
    rng = np.random.default_rng(7)
    x = rng.uniform(size=60_000)
    curve = binned_efficiency(rng.uniform(size=x.size) < 0.05, x, np.linspace(0, 1, 301))
    inside = np.mean((curve.low < 0.05) & (curve.high > 0.05))
    assert inside == pytest.approx(0.68, abs=0.08)


def test_empty_bins_have_no_efficiency():
    curve = binned_efficiency(np.array([True]), np.array([0.5]), np.array([0.0, 1.0, 2.0]))
    assert curve.value[0] == 1
    assert curve.low[0] < 1
    assert np.isnan(curve.value[1])


@pytest.mark.parametrize("weighted", [False, True])
def test_a_score_that_is_the_probability_has_no_calibration_error(weighted):
    random = np.random.default_rng(5)
    pulls = []
    for _ in range(200):
        p = random.beta(2, 3, 5000)
        weights = random.choice([-1.0, 1.0], 5000, p=[0.1, 0.9]) if weighted else None
        found = calibration(p, random.random(5000) < p, weights).expected_error
        pulls.append(found.value / found.error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(200)
    assert 0.58 < np.mean(np.abs(pulls) < 1) < 0.78
    assert np.mean(np.abs(pulls) < 2) > 0.92


def test_the_calibration_error_of_a_wrong_score_is_that_of_its_gaps():
    random = np.random.default_rng(6)
    p = random.beta(2, 3, 20_000)
    pulls = []
    for _ in range(100):
        found = calibration(p, random.random(20_000) < p**1.5).expected_error
        edges = np.clip((p * 20).astype(int), 0, 19)
        truth = np.abs(np.bincount(edges, p**1.5 - p, 20)).sum() / len(p)
        pulls.append((found.value - truth) / found.error)
    assert abs(np.mean(pulls)) < 0.5
    assert 0.7 < np.std(pulls) < 1.3


def test_certain_scores_that_are_right_or_wrong():
    truth = np.arange(100) < 40
    assert calibration(truth.astype(float), truth).expected_error.value == pytest.approx(0)
    wrong = calibration(1 - truth.astype(float), truth).expected_error
    assert wrong.value == pytest.approx(1)
