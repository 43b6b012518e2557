"""Means in bins of weighted samples."""

import numpy as np
import pytest

from bunchtrain.statistics.metrics import binned_mean

EDGES = np.array([0.0, 1.0, 2.0, 3.0])


def test_binned_mean_is_the_weighted_mean_of_each_bin():
    values = np.array([0.1, 0.9, 1.5, 1.6, 2.5, 3.0])
    scores = np.array([0.0, 1.0, 0.4, 0.4, 0.7, 9.0])
    weights = np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    mean, error = binned_mean(scores, values, EDGES, weights)
    assert mean[:2] == pytest.approx([0.25, 0.4])
    assert error[:2] == pytest.approx([np.hypot(3 * 0.25, 0.75) / 4, 0.0])
    assert np.isnan(mean[2])  # one event has no error


def test_error_of_the_binned_mean_covers_the_truth():
    random = np.random.default_rng(1)
    pulls = []
    for _ in range(300):
        values, scores = random.uniform(0, 3, 300), random.exponential(size=300)
        mean, error = binned_mean(scores, values, EDGES, np.ones(300))
        pulls += list((mean - 1) / error)
    assert np.std(pulls) == pytest.approx(1, abs=0.1)
