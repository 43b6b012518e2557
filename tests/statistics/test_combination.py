import numpy as np
import pytest

from bunchtrain.statistics.bootstrap import paired_bootstrap
from bunchtrain.statistics.combination import Combination, fit_combination, logits, mean_probability
from bunchtrain.statistics.metrics import Measurement, auc, average_seeds, measurements


def probabilities(logit):
    top = 1 / (1 + np.exp(-logit))
    return np.stack([1 - top, top], axis=1)


def two_taggers(events=20_000, seed=3):
    """Two independent Gaussian observables of unit separation, as calibrated probabilities."""
    random = np.random.default_rng(seed)
    truth = np.arange(events) % 2
    x = random.normal(size=(2, events)) + truth
    return [probabilities(one - 0.5) for one in x], truth


def test_the_mean_is_that_of_the_probabilities():
    first, second = np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]])
    np.testing.assert_allclose(mean_probability([first, second]), [[0.4, 0.6]])


def test_the_trained_combination_of_independent_taggers_adds_their_logits():
    scores, truth = two_taggers()
    combined = fit_combination(scores, truth)
    gap = combined.matrix[1] - combined.matrix[0]
    np.testing.assert_allclose(gap, [1, 1], atol=0.06)  # log p(x, y) = log p(x) + log p(y)
    np.testing.assert_allclose(combined(scores).sum(1), 1)
    again = Combination.from_dict(combined.as_dict())
    np.testing.assert_array_equal(again(scores), combined(scores))


def test_the_trained_combination_of_several_classes_is_better_than_each():
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 9000)
    scores = []
    for _ in range(2):
        evidence = random.normal(size=(9000, 3)) + 1.5 * np.eye(3)[truth]
        scores.append(np.exp(evidence) / np.exp(evidence).sum(1, keepdims=True))
    combined = fit_combination(scores[:], truth)(scores)
    right = [(p.argmax(1) == truth).mean() for p in (*scores, combined)]
    assert right[2] > max(right[:2]) + 0.03


def test_probabilities_of_nought_have_finite_logits():
    assert np.isfinite(logits([np.array([[0.0, 1.0], [1.0, 0.0]])])).all()


def test_weights_count_as_repeated_events():
    scores, truth = two_taggers(400)
    weights = np.random.default_rng(5).integers(1, 4, 400)
    repeated = [p.repeat(weights, axis=0) for p in scores]
    weighted = fit_combination(scores, truth, weights)
    # Inputs are brought to unit deviation without weights, so that the weak penalty differs a bit.
    full = fit_combination(repeated, truth.repeat(weights))
    np.testing.assert_allclose(weighted.matrix, full.matrix, atol=0.02)


def test_paired_errors_are_smaller_than_those_of_unlike_samples():
    random = np.random.default_rng(2)
    truth = np.arange(2000) % 2 == 1
    x = random.normal(size=2000) + truth
    scores = {"x": x, "nearly x": x + 0.05 * random.normal(size=2000)}
    metrics = {"auc": lambda curve: auc(curve).value}
    found = paired_bootstrap(scores, truth, np.ones(2000), metrics, replicas=100)["auc"]
    alone = found["x"].std()
    difference = (found["x"] - found["nearly x"]).std()
    curve_error = 0.0106  # DeLong's for this sample, of unit separation
    assert alone == pytest.approx(curve_error, rel=0.25)
    assert difference < 0.3 * alone


def test_a_mean_over_seeds_keeps_both_errors():
    trainings = [
        {"auc": {"value": value, "error": 0.01}, "cut": {"value": 1.0, "error": None, "cut": value}}
        for value in (0.90, 0.92, 0.94)
    ]
    met = average_seeds(trainings)
    assert met["auc"]["value"] == pytest.approx(0.92)
    assert met["auc"]["error"] == pytest.approx(0.01)
    assert met["auc"]["seed_std"] == pytest.approx(0.02)
    assert met["cut"]["cut"] == 0.90
    shown = measurements(met)["auc"]
    assert str(shown) == "0.920 ± 0.010"
    assert shown.seed_text == "seeds ± 0.020"
    assert average_seeds(trainings[:1]) == trainings[0]


def test_a_mean_with_a_limit_is_a_limit():
    met = average_seeds(
        [{"rejection_30": Measurement(900.0, 90.0).as_dict()},
         {"rejection_30": Measurement(1100.0, limit=True).as_dict()}]
    )  # fmt: skip
    assert str(measurements(met)["rejection_30"]) == "> 1000"
