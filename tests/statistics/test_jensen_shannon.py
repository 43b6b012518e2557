"""The divergence of background spectra against SciPy, its error against toys."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import inverse_jensen_shannon, jensen_shannon

EDGES = np.linspace(0, 1, 11)


def spectra(seed, events=2000, shape=2.0):
    """Events of a falling spectrum that fail, and of a flat one that pass."""
    random = np.random.default_rng(seed)
    passed = random.random(events) < 0.3
    uniform = random.random(events)
    return np.where(passed, uniform, uniform**shape), passed, random.uniform(0.5, 1.5, events)


def test_it_is_scipy_s_in_bits():
    values, passed, weights = spectra(0)
    sides = [np.histogram(values[p], EDGES, weights=weights[p])[0] for p in (passed, ~passed)]
    found = jensen_shannon(values, passed, EDGES, weights)
    assert found.value == pytest.approx(jensenshannon(*sides, base=2) ** 2)


def test_it_lies_between_0_and_1():
    values, passed = np.repeat([0.2, 0.7], 5), np.repeat([True, False], 5)
    assert jensen_shannon(values, passed, EDGES).value == pytest.approx(1)
    assert jensen_shannon(np.tile([0.2, 0.7], 5), passed, [0, 1]).value == 0


@pytest.mark.parametrize("shape", [1.0, 1.3, 2.0])
def test_the_error_is_the_spread_of_toys(shape):
    """shape 1: equal spectra, where the divergence is chance alone."""
    found = [jensen_shannon(*spectra(s, shape=shape)[:2], EDGES) for s in range(300)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.error for f in found]) == pytest.approx(spread, rel=0.2)
    if shape == 1.0:
        chance = 9 * (1 / 600 + 1 / 1400) / (8 * np.log(2))
        assert np.mean([f.value for f in found]) == pytest.approx(chance, rel=0.1)


def test_at_a_signal_efficiency_on_background_alone():
    random = np.random.default_rng(3)
    truth = np.repeat([False, True], 5000)
    mass = random.random(10000)
    score = random.random(10000) + 0.3 * mass
    found = inverse_jensen_shannon(score, truth, mass, EDGES, 0.5)
    cut = np.median(score[truth])
    direct = jensen_shannon(mass[~truth], score[~truth] >= cut, EDGES)
    assert found.value == pytest.approx(1 / direct.value, rel=0.02)
    assert found.error == pytest.approx(direct.error / direct.value**2, rel=0.05)
    assert inverse_jensen_shannon(score - 0.3 * mass, truth, mass, EDGES).value > 5 * found.value


def test_one_side_without_events_is_told():
    with pytest.raises(DataError, match="no event fails"):
        jensen_shannon(np.ones(3) / 2, np.ones(3, bool), EDGES)
    scores, truth = np.array([0, 2, 1, 3]), np.array([False, False, True, True])
    with pytest.raises(DataError, match="1/JSD is infinite"):
        inverse_jensen_shannon(scores, truth, np.ones(4), np.array([0, 2]), 0.99)
