"""Helices: Jacobians by differences, and the nearest point to the beam by another program."""

import numpy as np
import pytest
from barrel_tracker import FIELD, origins  # type: ignore[import-not-found]

from bunchtrain.physics.helix import (
    Planes,
    derivatives,
    move,
    path_to_planes,
    path_to_radius,
    tangent_planes,
    to_free,
    to_perigee,
    transport,
)
from bunchtrain.physics.track_seed import seed_helix
from bunchtrain.simulation.acts.tables import perigee

STEPS = np.array([1e-3, 1e-3, 1e-6, 1e-6, 1e-6])


def states(count=40):
    """Bound states on planes at 200 mm, from the beam."""
    free = move(origins(count), np.full(count, 200.0), FIELD)
    planes = tangent_planes(free)
    return np.column_stack([np.zeros((count, 2)), free[:, 3:]]), planes


def test_a_helix_turns_by_its_curvature():
    """1 GeV across 1 T has the radius 1 GeV/(0.299792458 GeV/(T m) 1 T) = 3335.6 mm."""
    quarter = np.array([3335.641 * np.pi / 2])
    free = np.array([[0, 0, 0, 0, np.pi / 2, 1.0]])
    np.testing.assert_allclose(
        move(free, quarter, 1.0)[0], [3335.641, -3335.641, 0, -np.pi / 2, np.pi / 2, 1], rtol=1e-6
    , atol=1e-9)  # fmt: skip


def test_derivatives_are_those_of_small_steps():
    free, s = origins(30), np.linspace(-300, 400, 30)
    found, rate = derivatives(free, s, FIELD)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-5
        change = (move(free + step, s, FIELD) - move(free - step, s, FIELD)) / 2e-5
        np.testing.assert_allclose(found[:, :, k], change, atol=1e-6, rtol=1e-6)
    change = (move(free, s + 1e-4, FIELD) - move(free, s - 1e-4, FIELD)) / 2e-4
    np.testing.assert_allclose(rate, change, atol=1e-7)


@pytest.mark.parametrize("target", ["plane", "perigee"])
def test_jacobians_of_transport_are_those_of_small_steps(target):
    bound, here = states()
    there = tangent_planes(move(to_free(bound, here), np.full(len(bound), 90.0), FIELD))
    along = (there.v + 0.3 * there.normal) / np.sqrt(1.09)
    tilted = Planes(there.centre + 1.5, there.u, along)

    def reach(state):
        if target == "perigee":
            return to_perigee(state, here, FIELD)
        s = path_to_planes(to_free(state, here), tilted, FIELD, np.full(len(state), 90.0))
        return transport(state, here, tilted, s, FIELD)

    found = reach(bound)[1]
    for k, size in enumerate(STEPS):
        step = np.zeros(5)
        step[k] = size
        change = (reach(bound + step)[0] - reach(bound - step)[0]) / (2 * size)
        np.testing.assert_allclose(found[:, :, k], change, atol=2e-5, rtol=1e-4)


def test_the_nearest_point_is_that_of_the_circle():
    bound, here = states()
    free = to_free(bound, here)
    found = to_perigee(bound, here, FIELD)[0]
    p = 1 / np.abs(free[:, 5])
    momentum = [p * np.sin(free[:, 4]) * np.cos(free[:, 3]),
                p * np.sin(free[:, 4]) * np.sin(free[:, 3]), p * np.cos(free[:, 4])]  # fmt: skip
    charge = np.sign(free[:, 5])
    d0, z0 = perigee(free[:, 0], free[:, 1], free[:, 2], momentum, charge * FIELD)
    np.testing.assert_allclose(found[:, 0], d0, atol=1e-8)
    np.testing.assert_allclose(found[:, 1], z0, atol=1e-8)


def test_the_first_estimate_is_the_helix_of_exact_points():
    bound, here = states()
    free = to_free(bound, here)
    paths = np.linspace(-150, 500, 6)
    places = np.stack([move(free, np.full(len(free), s), FIELD)[:, :3] for s in paths], 1)
    found = seed_helix(places, np.ones(places.shape[:2]), FIELD)
    np.testing.assert_allclose(found[:, :2], to_perigee(bound, here, FIELD)[0][:, :2], atol=1e-6)
    np.testing.assert_allclose(found[:, 3:], bound[:, 3:], rtol=1e-7)


def test_a_cylinder_is_reached_or_not():
    free = move(origins(40), np.full(40, 200.0), FIELD)
    s = path_to_radius(free, 50.0, FIELD)
    moved = move(free, s, FIELD)
    np.testing.assert_allclose(np.hypot(moved[:, 0], moved[:, 1]), 50)
    assert (s < 0).all()
    far = free.copy()
    far[:, :2] += 80 * np.stack([-np.sin(free[:, 3]), np.cos(free[:, 3])], 1)
    assert np.isnan(path_to_radius(far, 5.0, 0.01)).all()
