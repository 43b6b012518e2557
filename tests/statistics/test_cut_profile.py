"""Scores with their dependence on a column taken out: by value, flat, and through JSON."""

import json

import numpy as np
import pytest

from bunchtrain.statistics.decorrelation import CutProfile, fit_cut_profile, log_odds


def events(number=20000, seed=0, curve=0.0):
    random = np.random.default_rng(seed)
    truth, mass = random.integers(0, 2, number), random.uniform(0, 1, number)
    odds = random.normal(2.0 * truth, 1) + 1.5 * mass + curve * np.sin(6 * mass)
    p = 1 / (1 + np.exp(-odds))
    return np.stack([1 - p, p], 1), truth, mass


def spread(scores, truth, mass):
    """Return how far the background efficiency in five bins is from its mean, relatively."""
    cut = np.quantile(scores[truth == 1, 1], 0.5)
    background = truth == 0
    passed = [
        (scores[background & (mass > low) & (mass <= low + 0.2), 1] >= cut).mean()
        for low in np.arange(0, 1, 0.2)
    ]
    return np.std(passed) / np.mean(passed)


@pytest.mark.parametrize(("by", "curve"), [("ddt", 0.0), ("quantile", 0.0), ("quantile", 1.0)])
def test_background_efficiency_is_flat_on_other_events(by, curve):
    profile = fit_cut_profile(by, *events(curve=curve), 1)
    scores, truth, mass = events(seed=1, curve=curve)
    assert spread(scores, truth, mass) > 0.4
    assert spread(profile(scores, mass), truth, mass) < 0.15


def test_ddt_finds_the_slope():
    profile = fit_cut_profile("ddt", *events(60000), 1)
    slope = np.diff(profile.cuts) / np.diff(profile.values)
    assert slope == pytest.approx([1.5], abs=0.15)


def test_probabilities_sum_to_one_and_backgrounds_keep_their_ratio():
    profile = CutProfile(np.array([0.0, 1.0]), np.array([-1.0, 1.0]), 2)
    scores = np.array([[0.2, 0.1, 0.7], [0.5, 0.25, 0.25]])
    flat = profile(scores, np.array([0.5, 1.0]))
    assert flat.sum(1) == pytest.approx([1, 1])
    assert flat[0] == pytest.approx(scores[0])
    assert flat[1, 0] / flat[1, 1] == pytest.approx(2)
    assert log_odds(flat, 2)[1] == pytest.approx(log_odds(scores, 2)[1] - 1)


def test_round_trip():
    profile = fit_cut_profile("quantile", *events(4000), 1)
    again = CutProfile.from_dict(json.loads(json.dumps(profile.as_dict())))
    scores, _, mass = events(50, seed=3)
    assert np.array_equal(profile(scores, mass), again(scores, mass))
