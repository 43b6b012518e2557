"""Helices: crossings of planes, derivatives, and fits with the right covariance."""

import numpy as np
import pytest

from bunchtrain.physics.helices import (
    Helix,
    Planes,
    cross,
    fit,
    local,
    local_derivatives,
    through,
)


def helices(count=50, seed=1):
    random = np.random.default_rng(seed)
    return Helix(
        np.column_stack([random.normal(0, 1, (count, 2)), random.normal(0, 50, count)]),
        random.uniform(-np.pi, np.pi, count),
        random.choice([-1, 1], count) / random.uniform(800, 20_000, count),
        random.normal(0, 1, count),
    )


def planes(helix, s, seed=2):
    """Return planes at about s, tilted by up to 0.4 from being perpendicular to the helix."""
    random = np.random.default_rng(seed)
    place, direction = helix.at(s)
    normal = direction + 0.4 * random.uniform(-1, 1, direction.shape)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    first = np.cross(normal, np.array([0.0, 0, 1]))
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    middle = place + random.uniform(-5, 5, (*s.shape, 1)) * first
    return Planes(middle, np.stack([first, np.cross(normal, first)], -2))


def test_a_helix_turns_by_its_curvature_and_keeps_its_radius():
    helix = helices()
    s = np.linspace(-400, 400, 9)[None].repeat(50, 0)
    place, direction = helix.at(s)
    centre = (
        helix.place[:, :2]
        + np.stack([-np.sin(helix.phi), np.cos(helix.phi)], -1) / (helix.curvature[:, None])
    )
    radius = np.linalg.norm(place[..., :2] - centre[:, None], axis=-1)
    np.testing.assert_allclose(radius * np.abs(helix.curvature)[:, None], 1, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(direction, axis=-1), 1)
    step = 1e-3
    moved = (helix.at(s + step)[0] - helix.at(s - step)[0]) / (2 * step)
    np.testing.assert_allclose(
        moved, direction * np.sqrt(1 + helix.slope**2)[:, None, None], atol=1e-6
    )
    again = helix.pivoted(s[:, 2])
    np.testing.assert_allclose(again.at(s - s[:, 2:3])[0], place, atol=1e-8)


def test_crossings_lie_in_the_planes():
    helix = helices()
    s = np.linspace(50, 600, 6)[None].repeat(50, 0)
    given = planes(helix, s)
    found = cross(helix, given, rounds=6)
    off = helix.at(found)[0] - given.middle
    np.testing.assert_allclose((off * given.normal).sum(-1), 0, atol=1e-6)


def test_derivatives_are_those_of_small_changes():
    helix = helices(10)
    given = planes(helix, np.linspace(40, 500, 5)[None].repeat(10, 0))
    found = local_derivatives(helix, given, cross(helix, given, rounds=8))
    for k, step in enumerate((1e-3, 1e-6, 1e-9, 1e-3, 1e-6)):
        change = np.zeros((10, 5))
        change[:, k] = step
        both = [helix.moved(sign * change) for sign in (1, -1)]
        ends = [local(one, given, cross(one, given, rounds=8)) for one in both]
        expected = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(found[..., k], expected, rtol=2e-4, atol=1e-3 * step**-0.1)


def test_the_helix_through_three_points():
    helix = helices()
    points = helix.at(np.array([0.0, 150, 400])[None].repeat(50, 0))[0]
    found = through(points)
    np.testing.assert_allclose(found.curvature, helix.curvature, rtol=1e-6)
    np.testing.assert_allclose(found.slope, helix.slope, rtol=1e-6)
    np.testing.assert_allclose(np.cos(found.phi - helix.phi), 1, atol=1e-12)


def test_a_fit_finds_the_parameters_with_its_covariance():
    """Pulls of all five parameters, of measurements smeared by their resolution, have width 1."""
    helix, random = helices(4000), np.random.default_rng(5)
    s = np.linspace(30, 800, 8)[None].repeat(4000, 0)
    given = planes(helix, s)
    sigma = np.array([0.02, 0.3])
    measured = local(helix, given, cross(helix, given, rounds=6))
    measured = measured + sigma * random.normal(size=measured.shape)
    start = helix.moved(random.normal(size=(4000, 5)) * np.array([0.1, 1e-3, 1e-7, 0.3, 1e-3]))
    found, covariance = fit(start, given, measured, np.broadcast_to(sigma**2, measured.shape), 3)
    across = np.stack([-np.sin(helix.phi), np.cos(helix.phi)], -1)
    off = np.stack(
        [
            ((found.place - helix.place)[:, :2] * across).sum(-1),
            found.phi - helix.phi,
            found.curvature - helix.curvature,
            found.place[:, 2] - helix.place[:, 2],
            found.slope - helix.slope,
        ],
        1,
    )
    pulls = off / np.sqrt(np.einsum("npp->np", covariance))
    assert pulls.std(0) == pytest.approx(np.ones(5), abs=0.05)
    assert np.abs(pulls.mean(0)).max() < 0.06
