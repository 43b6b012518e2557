"""Observables of W tagging: the last kT splitting, shapes in the rest frame, a₃."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.physics.clustering import kt_splitting
from bunchtrain.physics.kinematics import from_cylindrical, invariant_mass
from bunchtrain.physics.packed import sum_by_jet
from bunchtrain.physics.shapes import (
    aplanarity,
    boost_to_rest_frame,
    fox_wolfram_ratio,
    mass_angularity,
)


def random_jets(seed, jets=6, most=14, least=2):
    random = np.random.default_rng(seed)
    lengths = random.integers(least, most, jets)
    points = lengths.sum()
    plane = random.normal(0, 0.3, (2, points))
    turn = np.repeat(random.uniform(-np.pi, np.pi, jets), lengths)
    mass = random.exponential(0.3, points)
    return from_cylindrical(
        random.exponential(20, points), plane[0], plane[1] + turn, mass
    ), lengths


def test_two_prongs_by_value():
    momenta, lengths = from_cylindrical(*np.array([[60.0, 40], [0, 0.3], [3.1, -2.8]])), [2]
    apart = np.hypot(0.3, 2 * np.pi - 5.9)
    scale, angle = kt_splitting(momenta, np.array(lengths))
    np.testing.assert_allclose([scale[0], angle[0]], [40 * apart, apart])
    np.testing.assert_allclose(fox_wolfram_ratio(momenta, np.array(lengths)), 1)
    np.testing.assert_allclose(aplanarity(momenta, np.array(lengths)), 0, atol=1e-12)


def test_an_even_sphere_is_aplanar_and_has_no_second_moment():
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    momenta = np.column_stack([np.ones(6), axes])
    np.testing.assert_allclose(aplanarity(momenta, np.array([6])), 0.5)
    np.testing.assert_allclose(fox_wolfram_ratio(momenta, np.array([6])), 0, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_moment_is_the_sum_over_pairs_in_the_rest_frame(seed):
    momenta, lengths = random_jets(seed)
    rest = boost_to_rest_frame(momenta, lengths)
    np.testing.assert_allclose(sum_by_jet(rest[:, 1:], lengths), 0, atol=1e-8)
    np.testing.assert_allclose(invariant_mass(rest) ** 2, invariant_mass(momenta) ** 2, atol=1e-5)
    for jet, found in zip(
        np.split(rest[:, 1:], np.cumsum(lengths)[:-1]),
        fox_wolfram_ratio(momenta, lengths),
        strict=True,
    ):
        size = np.linalg.norm(jet, axis=1)
        cosine = jet @ jet.T / np.outer(size, size)
        expected = (np.outer(size, size) * (3 * cosine**2 - 1) / 2).sum() / size.sum() ** 2
        assert found == pytest.approx(expected, abs=1e-8)


def test_the_angularity_is_its_definition():
    momenta, lengths = random_jets(3, jets=1)
    axis = momenta.sum(0)
    cosine = momenta[:, 1:] @ axis[1:]
    cosine /= np.linalg.norm(momenta[:, 1:], axis=1) * np.linalg.norm(axis[1:])
    theta = np.arccos(cosine)
    expected = (momenta[:, 0] * np.sin(theta) ** -2 * (1 - cosine) ** 3).sum()
    mass = invariant_mass(axis[None])[0]
    np.testing.assert_allclose(mass_angularity(momenta, lengths)[0], expected / mass)


def test_a_jet_of_one_particle_or_none_has_neither_splitting_nor_shape():
    momenta, lengths = from_cylindrical(*np.array([[50.0], [1.0], [2.0]])), np.array([0, 1])
    found = [*kt_splitting(momenta, lengths), aplanarity(momenta, lengths)]
    found += [fox_wolfram_ratio(momenta, lengths), mass_angularity(momenta, lengths)]
    np.testing.assert_array_equal(found, 0)


def test_the_splitting_is_that_of_fastjet():
    fastjet = pytest.importorskip("fastjet")
    momenta, lengths = random_jets(9, jets=20, most=30)
    names = ("E", "px", "py", "pz")
    fields = {n: ak.unflatten(momenta[:, i].copy(), lengths) for i, n in enumerate(names)}
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 1000.0)
    clustered = fastjet.ClusterSequence(ak.zip(fields, with_name="Momentum4D"), definition)
    theirs = 1000 * np.sqrt(ak.to_numpy(clustered.exclusive_dmerge_max(1)))
    np.testing.assert_allclose(kt_splitting(momenta, lengths)[0], theirs, rtol=1e-6)
