"""Vertex fit: impact parameters of helices, position and covariance on simulated tracks."""

import numpy as np
import pytest

from bunchtrain.physics.vertex_fit import (
    CURVATURE,
    covariance_at,
    fit_vertices,
    impact_parameters,
    lower_triangle,
)
from bunchtrain.simulation.acts.tables import perigee

FIELD = 2.0


def tracks(random, count, vertex):
    """Return perigee parameters (count, 5) of helices from a point, and their transverse radius."""
    pt = np.exp(random.uniform(np.log(0.5), np.log(5), count))
    phi, eta = random.uniform(-np.pi, np.pi, count), random.uniform(-2, 2, count)
    charge = random.choice([-1.0, 1.0], count)
    p = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    place = [np.full(count, one) for one in vertex]
    d0, z0 = perigee(*place, p, charge * FIELD)
    r = pt / (charge * CURVATURE * FIELD)
    # The direction at the beam is across the line from the centre of the circle.
    x, y = vertex[0] + r * np.sin(phi), vertex[1] - r * np.cos(phi)
    at_beam = np.arctan2(np.sign(r) * x, -np.sign(r) * y)
    theta = 2 * np.arctan(np.exp(-eta))
    return np.stack([d0, z0, at_beam, theta, charge * np.sin(theta) / pt], 1)


@pytest.mark.parametrize("vertex", [(0.02, -0.01, 31.0), (9.0, -14.0, 55.0)])
def test_helices_through_a_point_have_no_impact_parameters_there(vertex):
    found = tracks(np.random.default_rng(1), 200, vertex)
    q, _ = impact_parameters(found, np.tile(vertex, (200, 1)), FIELD)
    np.testing.assert_allclose(q, 0, atol=1e-8)


def test_impact_parameters_of_a_straight_track_have_known_values():
    phi, theta = 0.3, 1.1
    track = np.array([[0.5, 7.0, phi, theta, 1e-9]])
    point = np.array([[2.0, -1.0, 3.0]])
    q, change = impact_parameters(track, point, FIELD)
    d = 0.5 - (-2.0 * np.sin(phi) - 1.0 * np.cos(phi))
    z = 7.0 + (2.0 * np.cos(phi) - 1.0 * np.sin(phi)) / np.tan(theta) - 3.0
    np.testing.assert_allclose(q, [[d, z]], atol=1e-5)
    cot = 1 / np.tan(theta)
    expected = [[np.sin(phi), -np.cos(phi), 0], [cot * np.cos(phi), cot * np.sin(phi), -1]]
    np.testing.assert_allclose(change[0], expected, atol=1e-6)


def test_derivatives_are_those_of_differences():
    found = tracks(np.random.default_rng(2), 20, (3.0, 4.0, 5.0))
    point = np.tile([2.0, 6.0, 4.0], (20, 1))
    change = impact_parameters(found, point, FIELD)[1]
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-4
        up, down = (impact_parameters(found, point + s * step, FIELD)[0] for s in (1, -1))
        np.testing.assert_allclose(change[:, :, axis], (up - down) / 2e-4, atol=1e-6)
    covariance = np.tile(np.diag([4.0, 9.0, 0, 0, 0]), (20, 1, 1))
    at_beam = covariance_at(found, covariance, np.zeros((20, 3)), FIELD)
    np.testing.assert_allclose(at_beam, np.tile(np.diag([4.0, 9.0]), (20, 1, 1)), atol=1e-6)


def smeared(vertex, vertices, each, seed):
    """Return smeared tracks of vertices at one place, their covariance and vertex."""
    random = np.random.default_rng(seed)
    true = tracks(random, vertices * each, vertex)
    sigma = np.array([0.03, 0.08, 3e-4, 3e-4, 0.01]) * random.uniform(0.5, 2, (len(true), 1))
    mixing = np.eye(5)
    mixing[2, 0] = -0.5  # d0 and φ are correlated
    matrix = mixing[None] * sigma[:, :, None]
    drawn = (matrix @ random.normal(size=(len(true), 5, 1)))[..., 0]
    return true + drawn, matrix @ matrix.transpose(0, 2, 1), np.repeat(np.arange(vertices), each)


@pytest.mark.parametrize(("vertex", "beam"), [((0.0, 0.0, 12.0), None), ((6.0, -8.0, 60.0), None)])
def test_pulls_of_fitted_vertices_have_unit_width(vertex, beam):
    count = 1500
    parameters, covariance, of = smeared(vertex, count, 5, 3)
    start = np.tile(np.array(vertex) + np.array([0.5, -0.5, 1.0]), (count, 1))
    made = fit_vertices(parameters, covariance, of, start, FIELD, cut=np.inf, beam=beam)
    error = np.sqrt(np.einsum("vii->vi", made.covariance))
    pull = (made.position - vertex) / error
    np.testing.assert_allclose(pull.std(0), 1, atol=4 / np.sqrt(2 * count))
    np.testing.assert_allclose(pull.mean(0), 0, atol=4 / np.sqrt(count))
    assert made.degrees[0] == 7
    assert made.chi2.mean() == pytest.approx(7, abs=4 * np.sqrt(14 / count))


def test_a_beam_narrows_the_vertex():
    parameters, covariance, of = smeared((0.0, 0.0, 12.0), 200, 3, 4)
    start = np.tile([0.0, 0.0, 12.3], (200, 1))
    free = fit_vertices(parameters, covariance, of, start, FIELD, cut=np.inf)
    held = fit_vertices(parameters, covariance, of, start, FIELD, cut=np.inf, beam=0.01)
    assert np.all(held.covariance[:, 0, 0] < 0.01**2)
    assert np.all(held.covariance[:, 0, 0] < free.covariance[:, 0, 0])
    assert np.all(held.degrees == free.degrees + 2)


def test_an_outlier_loses_its_weight():
    parameters, covariance, of = smeared((0.0, 0.0, 5.0), 50, 6, 5)
    parameters[::6, 1] += 3.0  # the first of each vertex comes from 3 mm further
    start = np.tile([0.0, 0.0, 5.2], (50, 1))
    plain = fit_vertices(parameters, covariance, of, start, FIELD, cut=np.inf)
    adaptive = fit_vertices(parameters, covariance, of, start, FIELD)
    assert np.median(adaptive.weight[::6]) < 1e-3
    far = [np.abs(made.position[:, 2] - 5).mean() for made in (plain, adaptive)]
    assert far[1] < 0.3 * far[0]


def test_a_vertex_without_two_tracks_has_no_place():
    parameters, covariance, of = smeared((0.0, 0.0, 5.0), 2, 2, 6)
    of[3] = 0
    made = fit_vertices(parameters, covariance, of, np.zeros((3, 3)), FIELD)
    assert np.isfinite(made.position[0]).all()
    assert np.isnan(made.position[1:]).all()


def test_without_tracks_there_are_no_vertices():
    made = fit_vertices(
        np.zeros((0, 5)), np.zeros((0, 5, 5)), np.zeros(0, int), np.zeros((0, 3)), 2
    )
    assert made.position.shape == (0, 3)


def test_lower_triangles_become_symmetric_matrices():
    found = lower_triangle(np.arange(15.0)[None])[0]
    assert found[1, 0] == found[0, 1] == 1
    assert found[2, 2] == 5
    assert found[4].tolist() == [10, 11, 12, 13, 14]
