"""Uncertainties of metrics of points that are correlated within their event."""

import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.statistics.correlated_rows import cluster_bootstrap, ratio_of_sums
from bunchtrain.statistics.metrics import efficiency


def toy(random, events=60):
    """Points whose chance to pass is common to their event."""
    counts = random.integers(5, 30, events)
    event = np.repeat(np.arange(events), counts)
    chance = random.beta(4, 2, events)
    return event, random.uniform(size=len(event)) < chance[event]


def test_the_error_of_a_ratio_is_its_spread_over_toys_and_that_of_independent_points_is_not():
    random = np.random.default_rng(1)
    found, naive = [], []
    for _ in range(400):
        event, passed = toy(random)
        ratio = ratio_of_sums(np.bincount(event, passed), np.bincount(event))
        found.append((ratio.value, ratio.error))
        naive.append(efficiency(passed).error)
    values, errors = np.array(found).T
    assert 0.9 < errors.mean() / values.std() < 1.1
    assert np.mean(naive) < 0.7 * values.std()


def test_the_bootstrap_of_events_agrees_with_the_ratio():
    event, passed = toy(np.random.default_rng(2))

    def measure(weights):
        value = np.average(passed, weights=weights)
        return {"efficiency": {"value": value, "error": 0.0, "interval": [0, 1], "cut": 3}}

    found = cluster_bootstrap(measure, event, np.ones(len(event)))["efficiency"]
    expected = ratio_of_sums(np.bincount(event, passed), np.bincount(event))
    assert found["value"] == expected.value
    assert 0.75 < found["error"] / expected.error < 1.25
    assert "interval" not in found
    assert found["cut"] == 3


def test_ratios_of_no_and_of_one_event():
    assert np.isnan(ratio_of_sums(np.zeros(3), np.zeros(3)).value)
    one = ratio_of_sums(np.ones(1), 2 * np.ones(1))
    assert one.value == 0.5
    assert np.isnan(one.error)
    assert ratio_of_sums(np.array([4, 5]), np.array([4, 5])).error == 0.1
    weighted = ratio_of_sums(np.array([1, 0]), np.array([1, 1]), np.array([3.0, 1.0]))
    assert weighted.value == 0.75


def test_replicas_in_which_a_class_is_absent_are_left_out():
    def measure(weights):
        if not weights[event == 0].any():
            raise DataError("no events of the first class")
        return {"mean": {"value": float(np.average(event, weights=weights)), "error": 0.0}}

    event = np.repeat(np.arange(3), 5)
    found = cluster_bootstrap(measure, event, np.ones(15))["mean"]
    assert found["value"] == 1
    assert 0.1 < found["error"] < 1
