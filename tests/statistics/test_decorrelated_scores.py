"""Scores with their dependence on a column taken away at a working point."""

import numpy as np
import pytest

from bunchtrain.errors import DataError
from bunchtrain.statistics.decorrelation import Ddt, QuantileRegression

EDGES = np.linspace(0, 1, 9)


def background(curvature=0.0, events=8000):
    random = np.random.default_rng(5)
    mass = random.random(events)
    return random.normal(2 * mass + curvature * (mass - 0.5) ** 2, 0.5), mass


def passing(scores, mass, cut):
    """Return the efficiency of a cut in bins of mass."""
    place = np.digitize(mass, EDGES) - 1
    return np.array([np.mean(scores[place == number] > cut) for number in range(8)])


def test_ddt_finds_the_slope():
    scores, mass = background()
    ddt = Ddt.fit(scores, mass, 0.1, EDGES)
    assert ddt.slope == pytest.approx(2, abs=0.1)
    assert ddt.centre == pytest.approx(0.5, abs=0.01)
    flat = ddt(scores, mass)
    shares = passing(flat, mass, np.quantile(flat, 0.9))
    assert np.ptp(shares) < 0.06
    assert np.ptp(passing(scores, mass, np.quantile(scores, 0.9))) > 0.25


def test_weights_are_events():
    scores, mass = background(events=1000)
    weights = np.repeat([0.0, 1.0], 500)
    half = Ddt.fit(scores[500:], mass[500:], 0.2, EDGES)
    whole = Ddt.fit(scores, mass, 0.2, EDGES, weights)
    assert whole.slope == pytest.approx(half.slope, rel=0.03)


def test_quantile_regression_flattens_what_is_no_line():
    scores, mass = background(curvature=8)
    line, trees = Ddt.fit(scores, mass, 0.2, EDGES), QuantileRegression.fit(scores, mass, 0.2)
    straight = line(scores, mass)
    bent = passing(straight, mass, np.quantile(straight, 0.8))
    flat = passing(trees(scores, mass), mass, 0.0)
    np.testing.assert_allclose(flat, 0.2, atol=0.04)
    assert np.ptp(bent) > 3 * np.ptp(flat)


def test_several_columns():
    scores, mass = background()
    other = np.random.default_rng(1).random(len(mass))
    both = np.stack([mass, other], axis=1)
    found = QuantileRegression.fit(scores + other, both, 0.2)(scores + other, both)
    np.testing.assert_allclose(passing(found, other, 0.0), 0.2, atol=0.04)


def test_too_few_events_are_told():
    with pytest.raises(DataError, match="needs two bins of at least 20 background events"):
        Ddt.fit(np.arange(10.0), np.linspace(0, 1, 10), 0.1, EDGES)
