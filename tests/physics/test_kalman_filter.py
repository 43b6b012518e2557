"""Kalman filter: least squares without material, pulls with it, turns, and tracks without a fit."""

import numpy as np
import pytest
from barrel_tracker import (  # type: ignore[import-not-found]
    ERRORS,
    FIELD,
    LENGTH,
    RADII,
    SIDES,
    hits,
    modules,
    origins,
)

from bunchtrain.errors import DataError
from bunchtrain.evaluations._track_residuals import measure, residuals, true_parameters
from bunchtrain.physics.kalman_filter import Medium, highland
from bunchtrain.physics.track_fit import MeasuredHits, Modules, fit


def measured(surface, local):
    flat = local.reshape(-1, 2)
    values = {"loc0": flat[:, 0], "loc1": flat[:, 1]}
    values |= {f"variance{k}": np.full(len(flat), ERRORS[k] ** 2) for k in range(2)}
    return MeasuredHits(surface.ravel(), values)


def fitted(surface, local, medium=None, turn=0.0, material=1.0):
    number, columns = modules(turn)
    columns["radiation_lengths"] = columns["radiation_lengths"] * material
    size = np.full(len(surface), surface.shape[1])
    order = np.random.default_rng(0).permuted(
        np.arange(surface.size).reshape(surface.shape), axis=1
    )
    medium = medium or Medium(FIELD)
    return fit(size, order.ravel(), measured(surface, local), Modules.of(number, columns), medium)


def origin(free):
    p = 1 / np.abs(free[:, 5])
    sine = np.sin(free[:, 4])
    momentum = p * np.stack([sine * np.cos(free[:, 3]), sine * np.sin(free[:, 3]),
                             np.cos(free[:, 4])])  # fmt: skip
    return np.column_stack([free[:, :3], momentum.T, np.sign(free[:, 5])])


def test_highland_by_value():
    """13.6 MeV/(β p) √0.01 (1 + 0.038 ln(0.01/β²)) for a pion of 1 GeV: 1.133 mrad."""
    beta2 = 1 / (1 + 0.13957**2)
    expected = 0.0136 / np.sqrt(beta2) * 0.1 * (1 + 0.038 * np.log(0.01 / beta2))
    assert highland(np.array([-1.0]), np.array([0.01]), 0.13957)[0] == pytest.approx(expected)
    assert expected == pytest.approx(1.134e-3, rel=1e-3)
    assert highland(np.array([1.0]), np.array([0.0]), 0.13957)[0] == 0


def test_without_noise_the_fit_is_the_helix():
    free = origins(200)
    found = fitted(*hits(free, scatters=False, smears=False), material=0)
    true = true_parameters(origin(free), FIELD)
    difference = found.parameters - true
    difference[:, 2] = np.sin(difference[:, 2])
    # the first state is far from certain: it pulls by 10⁻⁴ of the uncertainties of the fit
    sigma = np.sqrt(np.einsum("nii->ni", found.covariance))
    assert np.abs(difference / sigma).max() < 0.02
    np.testing.assert_array_equal(found.ndf, 2 * len(RADII) - 5)


def test_without_material_the_covariance_is_that_of_least_squares():
    """(Jᵀ V⁻¹ J)⁻¹ with the derivatives of the hits by the parameters, from small steps."""
    free = origins(20)
    found = fitted(*hits(free, scatters=False, smears=False), material=0)
    surface, _ = hits(free, scatters=False, smears=False)
    columns = []
    for k in (1, 2, 3, 4, 5):  # of the origin: y and z, φ, θ, q/p
        step = np.zeros(6)
        step[k] = 1e-6
        other, up = hits(free + step, scatters=False, smears=False)
        again, down = hits(free - step, scatters=False, smears=False)
        assert np.array_equal(other, surface)
        assert np.array_equal(again, surface)
        columns.append((up - down) / 2e-6)
    jacobian = np.stack(columns, 3).reshape(len(free), -1, 5)
    weight = np.tile(1 / ERRORS**2, len(RADII))
    inverse = np.einsum("nij,i,nik->njk", jacobian, weight, jacobian)
    expected = np.linalg.inv(inverse)
    np.testing.assert_allclose(found.covariance[:, 3, 3], expected[:, 3, 3], rtol=1e-3)
    np.testing.assert_allclose(found.covariance[:, 4, 4], expected[:, 4, 4], rtol=1e-3)


def test_pulls_with_scattering_have_unit_width():
    free = origins(4000)
    found = fitted(*hits(free))
    every = np.ones(len(free), bool)
    of = residuals(found, every, np.arange(len(free)), true_parameters(origin(free), FIELD))
    assert of.lost == 0
    np.testing.assert_allclose(of.pull.std(0), 1, atol=0.05)
    np.testing.assert_allclose(of.pull.mean(0), 0, atol=0.07)
    assert np.mean(found.chi2 / found.ndf) == pytest.approx(1, abs=0.03)
    # without the material in the fit they are wide
    blind = fitted(*hits(free), material=0)
    of = residuals(blind, every, np.arange(len(free)), true_parameters(origin(free), FIELD))
    assert of.pull[:, :2].std() > 2


def test_a_detector_that_is_turned_turns_the_tracks():
    free, turn = origins(100), 0.7
    surface, local = hits(free)
    one, other = fitted(surface, local), fitted(surface, local, turn=turn)
    difference = other.parameters - one.parameters
    difference[:, 2] = np.sin(difference[:, 2] - turn)
    np.testing.assert_allclose(difference, 0, atol=1e-7)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-6, atol=1e-12)


def test_energy_that_is_lost_on_the_way_is_given_back():
    """20 MeV per radiation length across seven layers, for a fast particle at θ = 90°."""
    free = origins(50)
    free[:, 4], free[:, 5] = np.pi / 2, np.sign(free[:, 5]) / 5
    surface, local = hits(free, scatters=False, smears=False)
    lost = fitted(surface, local, Medium(FIELD, loss=0.02))
    none = fitted(surface, local)
    gained = 1 / np.abs(lost.parameters[:, 4]) - 1 / np.abs(none.parameters[:, 4])
    assert np.median(gained) == pytest.approx(len(RADII) * LENGTH * 0.02, rel=0.5)


def test_a_beam_pipe_widens_the_impact_parameter():
    free = origins(50)
    surface, local = hits(free)
    bare = fitted(surface, local)
    pipe = fitted(surface, local, Medium(FIELD, cylinders=[(25.0, 0.02)]))
    np.testing.assert_allclose(pipe.parameters, bare.parameters, rtol=1e-6, atol=1e-6)
    at = (25 * highland(free[:, 5], 0.02 / np.sin(free[:, 4]), 0.13957)) ** 2
    added = (pipe.covariance - bare.covariance)[:, 0, 0]
    np.testing.assert_allclose(added * np.sin(free[:, 4]) ** 2, at, rtol=0.2)


def test_short_tracks_have_no_fit_and_wrong_hits_end_in_a_sentence():
    surface, local = hits(origins(3))
    number, columns = modules()
    detector, medium = Modules.of(number, columns), Medium(FIELD)
    size = np.array([2, 7, 0])
    found = fit(size, np.arange(9), measured(surface, local), detector, medium)
    assert np.isnan(found.parameters).all(1).tolist() == [True, False, True]
    few = Modules.of(number[:-SIDES], {n: v[:-SIDES] for n, v in columns.items()})
    with pytest.raises(DataError, match=r"hit 6 of the block is on module 7\d+, which the ge"):
        fit(size, np.arange(9), measured(surface, local), few, medium)
    local[0, 3, 1] = np.nan
    with pytest.raises(DataError, match="'loc1' of hit 3 of the block is nan; a fit needs finite"):
        fit(size, np.arange(9), measured(surface, local), detector, medium)


def test_particles_without_a_helix_and_too_few_tracks_have_no_residuals():
    free = origins(5)
    every, found = np.ones(5, bool), fitted(*hits(free))
    start = origin(free)
    start[0, 6], start[1, 3:6] = 0, 0  # no charge, no momentum
    true = true_parameters(start, FIELD)
    assert np.isnan(true).any(1).tolist() == [True, True, False, False, False]
    of = residuals(found, every, np.arange(5), true)
    assert of.particle.tolist() == [2, 3, 4]
    assert of.lost == 0
    one = residuals(found, np.arange(5) == 2, np.arange(5), true)
    assert all(np.isnan(value.value) for value in measure(one).values())


def test_a_geometry_without_modules_is_refused():
    surface, local = hits(origins(1))
    number, columns = modules(0.0)
    none = Modules.of(number[:0], {name: one[:0] for name, one in columns.items()})
    with pytest.raises(DataError, match="the geometry has no modules"):
        fit(np.array([3]), np.arange(3), measured(surface, local), none, Medium(FIELD))
