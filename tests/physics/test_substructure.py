"""Closed forms on jets of one, two and three particles, and what no observable may depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.physics import kinematics as kin
from bunchtrain.physics import n_subjettiness as n_subjettiness_module
from bunchtrain.physics.energy_correlators import energy_correlators, ratios
from bunchtrain.physics.n_subjettiness import n_subjettiness
from bunchtrain.physics.packed import sum_by_jet
from bunchtrain.physics.shapes import angularity, dispersion, planar_flow
from bunchtrain.physics.soft_drop import soft_drop, soft_drop_points

RADIUS = 0.8


def jet(*particles):
    """Return massless momenta from (pT, y, φ)."""
    return kin.from_cylindrical(*np.array(particles, dtype=float).T)


def random_jets(seed, jets=6, most=14):
    random = np.random.default_rng(seed)
    lengths = random.integers(0, most, jets)
    points = lengths.sum()
    plane = random.normal(0, 0.3, (2, points))
    phi = plane[1] + np.repeat(random.uniform(-np.pi, np.pi, jets), lengths)
    mass = random.exponential(0.3, points)
    return kin.from_cylindrical(random.exponential(20, points) + 0.1, plane[0], phi, mass), lengths


def everything(momenta, lengths):
    tau = n_subjettiness(momenta, lengths)
    correlators = energy_correlators(momenta, lengths)
    pt = kin.transverse(momenta[:, 1], momenta[:, 2])
    shapes = [angularity(momenta, lengths, beta) for beta in (0.5, 1, 2)]
    shapes += [planar_flow(momenta, lengths), dispersion(pt, lengths)]
    mass = kin.invariant_mass(soft_drop(momenta, lengths))
    return np.column_stack([tau, correlators, *shapes, mass])


def test_one_particle():
    momenta, lengths = jet((100, 0.3, 1.0)), np.array([1])
    assert not n_subjettiness(momenta, lengths).any()
    assert not energy_correlators(momenta, lengths).any()
    np.testing.assert_array_equal(ratios(energy_correlators(momenta, lengths)), [[0], [0]])
    np.testing.assert_allclose(soft_drop(momenta, lengths), momenta)
    np.testing.assert_allclose(dispersion(np.array([100.0]), lengths), 1)


def test_two_particles():
    momenta, lengths = jet((60, 0.0, 0.0), (40, 0.3, 0.4)), np.array([2])
    # the median lies on the harder one, so τ₁ = z_soft ΔR / R₀
    tau = n_subjettiness(momenta, lengths, radius=RADIUS)[0]
    np.testing.assert_allclose(tau, [0.4 * 0.5 / RADIUS, 0, 0, 0], atol=2e-4)
    np.testing.assert_allclose(energy_correlators(momenta, lengths), [[0.6 * 0.4 * 0.5, 0]])
    np.testing.assert_allclose(planar_flow(momenta, lengths), 0, atol=1e-4)
    np.testing.assert_allclose(dispersion(np.array([60.0, 40.0]), lengths), np.hypot(0.6, 0.4))


def test_three_particles():
    momenta = jet((50, 0.0, 0.0), (30, 0.3, 0.0), (20, 0.0, 0.4))
    lengths = np.array([3])
    second = 0.5 * 0.3 * 0.3 + 0.5 * 0.2 * 0.4 + 0.3 * 0.2 * 0.5
    third = 0.5 * 0.3 * 0.2 * 0.3 * 0.4 * 0.5
    found = energy_correlators(momenta, lengths)
    np.testing.assert_allclose(found, [[second, third]])
    np.testing.assert_allclose(np.ravel(ratios(found)), [third / second**2, third / second**3])
    # kT joins the two of smallest min(pT)² ΔR² = 20² 0.4²: 50 and 20, whose axis moves to 50
    tau = n_subjettiness(momenta, lengths, (2,), radius=RADIUS)[0, 0]
    np.testing.assert_allclose(tau, 0.2 * 0.4 / RADIUS, atol=2e-4)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_correlators_equal_loops_over_pairs_and_triples(beta):
    momenta, lengths = random_jets(3, jets=1, most=9)
    pt, y, phi = kin.around_axis(momenta, lengths)
    z, n = pt / pt.sum(), len(pt)
    far = np.hypot(y[:, None] - y, kin.wrap_angle(phi[:, None] - phi)) ** beta
    second = sum(z[i] * z[j] * far[i, j] for i in range(n) for j in range(i))
    third = sum(
        z[i] * z[j] * z[k] * far[i, j] * far[j, k] * far[i, k]
        for i in range(n)
        for j in range(i)
        for k in range(j)
    )
    np.testing.assert_allclose(energy_correlators(momenta, lengths, beta), [[second, third]])


def test_soft_drop_takes_off_soft_wide_radiation_and_keeps_two_prongs():
    hard, other, soft = (80, 0.0, 0.0), (40, 0.2, 0.0), (3, -0.6, 0.0)
    groomed = soft_drop(jet(hard, other, soft), np.array([3]))
    np.testing.assert_allclose(groomed, jet(hard, other).sum(0, keepdims=True))
    np.testing.assert_allclose(soft_drop(jet(hard, soft), np.array([2])), jet(hard))


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_points_left_by_soft_drop_add_up_to_the_groomed_jet(beta):
    momenta, lengths = random_jets(5, jets=30)
    kept = soft_drop_points(momenta, lengths, 0.2, beta)
    assert 0 < kept.sum() < len(kept)
    left = sum_by_jet(momenta * kept[:, None], lengths)
    np.testing.assert_allclose(left, soft_drop(momenta, lengths, 0.2, beta), atol=1e-9)


def test_soft_drop_angle_weakens_the_cut():
    hard, soft = (80, 0.0, 0.0), (3, 0.1, 0.0)  # z = 0.036 against 0.1 (0.1 / 0.8)^β
    cuts = [soft_drop(jet(hard, soft), np.array([2]), beta=beta) for beta in (0.0, 1.0)]
    np.testing.assert_allclose(cuts[0], jet(hard))
    np.testing.assert_allclose(cuts[1], jet(hard, soft).sum(0, keepdims=True))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(-1.5, 1.5), st.floats(-3, 3))
def test_boosts_along_and_turns_around_the_beam_change_nothing(seed, boost, angle):
    momenta, lengths = random_jets(seed)
    energy, px, py, pz = momenta.T
    cosh, sinh = np.cosh(boost), np.sinh(boost)
    boosted = np.stack([cosh * energy + sinh * pz, px, py, cosh * pz + sinh * energy], 1)
    moved = kin.rotate_about_beam(boosted, np.full(len(boosted), angle))
    np.testing.assert_allclose(
        everything(moved, lengths), everything(momenta, lengths), rtol=1e-5, atol=1e-5
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_jets_do_not_see_one_another_nor_the_order_or_memory(seed):
    momenta, lengths = random_jets(seed)
    apart = np.split(momenta, np.cumsum(lengths)[:-1])
    alone = [
        everything(np.random.default_rng(seed).permutation(one), np.array([len(one)]))
        for one in apart
    ]
    np.testing.assert_allclose(
        np.concatenate(alone), everything(momenta, lengths), rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(
        n_subjettiness(momenta, lengths, memory=1), n_subjettiness(momenta, lengths)
    )


@pytest.mark.parametrize("axes", ["kt", "one_pass_kt"])
def test_compiled_loops_give_the_same(axes, monkeypatch):
    momenta, lengths = random_jets(5)
    momenta[:2, 1:3] *= 1e-9  # along the beam
    pairs = n_subjettiness_module.phase_space_basis(4)
    expected = n_subjettiness_module.many_n_subjettiness(momenta, lengths, pairs, axes)
    monkeypatch.setattr(n_subjettiness_module, "COMPILED_FROM", 1)
    monkeypatch.setattr(n_subjettiness_module, "find_spec", lambda name: name)
    found = n_subjettiness_module.many_n_subjettiness(momenta, lengths, pairs, axes)
    assert found.any(0).all()
    # the steps to a minimum of β = ½, which has a cusp at each point, amplify rounding
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_even_energy_has_planar_flow_one():
    phi = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    around = jet(*[(10, 0.1 * np.cos(a), 0.1 * np.sin(a)) for a in phi])
    np.testing.assert_allclose(planar_flow(around, np.array([8])), 1, rtol=1e-3)
