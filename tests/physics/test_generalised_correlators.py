"""Closed forms on two and three particles, loops over four, and what is safe."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import StudyError
from bunchtrain.physics.energy_correlators import energy_correlators, ratios
from bunchtrain.physics.generalised_correlators import (
    SERIES,
    correlator_series,
    generalised_correlator,
    three_point_correlators,
)
from bunchtrain.physics.kinematics import around_axis, from_cylindrical

ALL = tuple(SERIES)


def jet(*particles):
    """Return massless momenta from (pT, y, φ)."""
    return from_cylindrical(*np.array(particles, dtype=float).T)


def random_jet(seed, points=7):
    random = np.random.default_rng(seed)
    plane = random.normal(0, 0.3, (2, points))
    return from_cylindrical(random.exponential(20, points) + 0.1, *plane)


def series(momenta, names=ALL, beta=1.0, **more):
    return correlator_series(momenta, np.array([len(momenta)]), names, beta, **more)[0]


def test_two_particles():
    found = dict(zip(ALL, series(jet((60, 0, 0), (40, 0.3, 0.4)), beta=2.0), strict=True))
    second = 0.6 * 0.4 * 0.25
    np.testing.assert_allclose([found["C1"], found["U1"]], second)
    assert not any(value for name, value in found.items() if name not in {"C1", "U1"})


def test_three_particles():
    z, sides = (0.5, 0.3, 0.2), (0.3, 0.4, 0.5)  # the sides between 01, 02 and 12
    momenta = jet((50, 0, 0), (30, 0.3, 0), (20, 0, 0.4))
    names = ("C1", "C2", "D2", "M2", "N2", "U2", "C3", "U3")
    for beta in (0.5, 1.0, 2.0):
        a, b, c = (side**beta for side in sides)
        second = z[0] * z[1] * a + z[0] * z[2] * b + z[1] * z[2] * c
        third = np.prod(z) * np.array([a, a * b, a * b * c])  # of one, two and three angles
        expected = [second, third[2] / second**2, third[2] / second**3]
        expected += [third[0] / second, third[1] / second**2, third[0], 0, 0]
        np.testing.assert_allclose(series(momenta, names, beta), expected)


@pytest.mark.parametrize("points", [2, 3, 4])
def test_correlators_equal_loops_over_sets(points):
    momenta, lengths = random_jet(points), np.array([7])
    pt, y, phi = around_axis(momenta, lengths)
    z = pt / pt.sum()
    angles = points * (points - 1) // 2
    expected = np.zeros(angles)
    for some in combinations(range(7), points):
        far = sorted(
            np.hypot(y[i] - y[j], phi[i] - phi[j]) ** 1.5 for i, j in combinations(some, 2)
        )
        expected += z[list(some)].prod() * np.cumprod(far)
    found = [
        generalised_correlator(momenta, lengths, points, count, 1.5)[0]
        for count in range(1, angles + 1)
    ]
    np.testing.assert_allclose(found, expected)


def test_the_ratios_are_those_of_the_two_and_three_point_functions():
    momenta = random_jet(0)
    expected = np.ravel(ratios(energy_correlators(momenta, np.array([7]))))
    np.testing.assert_allclose(series(momenta, ("C2", "D2")), expected)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_soft_and_collinear_particles_change_nothing(seed):
    momenta = random_jet(seed, 5)
    before = series(momenta)
    soft = np.concatenate([momenta, 1e-12 * jet((1, 0.5, 0.5))])
    np.testing.assert_allclose(series(soft), before, rtol=1e-7, atol=1e-12)
    split = np.concatenate([momenta[:4], 0.3 * momenta[4:], 0.7 * momenta[4:]])
    np.testing.assert_allclose(series(split, beta=2.0), series(momenta, beta=2.0), rtol=1e-9)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_jets_do_not_see_one_another_nor_the_order_or_memory(seed):
    one, other = random_jet(seed, 6), random_jet(seed + 1, 4)
    both = correlator_series(np.concatenate([one, other]), np.array([6, 0, 4]), ALL)
    mixed = np.random.default_rng(seed).permutation(one)
    np.testing.assert_allclose(both[0], series(mixed, memory=1), rtol=1e-9)
    np.testing.assert_allclose(both[2], series(other, memory=1), rtol=1e-9)
    assert not both[1].any()


def test_unknown_correlators_are_named():
    with pytest.raises(StudyError, match=r"no correlator named 'N22'; did you mean 'N2'"):
        series(random_jet(0), ("N22",))
    with pytest.raises(StudyError, match=r"no correlator named 'N4'; there are C1, .*, N2, N3"):
        series(random_jet(0), ("N4",))
    with pytest.raises(StudyError, match="no correlator of 3 points and 4 angles"):
        generalised_correlator(random_jet(0), np.array([7]), 3, 4)


@pytest.mark.parametrize("memory", [1, 1e6])
def test_three_point_correlators_in_one_pass_are_those_of_the_general_sum(memory):
    lengths = np.array([7, 3, 2, 0, 12, 7])
    momenta = np.concatenate([random_jet(i, n) for i, n in enumerate(lengths)])
    found = three_point_correlators(momenta, lengths, (0.5, 2.0), memory)
    for column, beta in enumerate((0.5, 2.0)):
        for angles in (1, 2):
            expected = generalised_correlator(momenta, lengths, 3, angles, beta)
            np.testing.assert_allclose(found[:, column, angles - 1], expected, rtol=1e-10)
