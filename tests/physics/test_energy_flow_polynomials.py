"""The definition, closed forms, the published counts, EnergyFlow's numbers and what is safe."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import StudyError
from bunchtrain.physics.contraction import Contraction
from bunchtrain.physics.contraction_plan import make_plan
from bunchtrain.physics.energy_correlators import energy_correlators
from bunchtrain.physics.energy_flow_polynomials import (
    composites,
    energy_flow_polynomials,
    prime_graphs,
    with_composites,
)
from bunchtrain.physics.kinematics import from_cylindrical
from bunchtrain.physics.multigraphs import canonical, connected_multigraphs, edge_list

SEEDS = st.integers(0, 1000)


def random_jets(seed, jets=4, most=8):
    random = np.random.default_rng(seed)
    lengths = random.integers(0, most, jets)
    points = lengths.sum()
    phi = random.normal(0, 0.3, points) + np.repeat(random.uniform(-3, 3, jets), lengths)
    mass = random.exponential(0.3, points)
    pt = random.exponential(20, points) + 0.1
    return from_cylindrical(pt, random.normal(0, 0.3, points), phi, mass), lengths


def defined(graph, energy, angles):
    """Return the polynomial as it is defined: a sum over all particles for every vertex."""
    vertices = [([energy], [v]) for v in range(len(graph))]
    factors = vertices + [([angles], list(edge)) for edge in edge_list(graph)]
    return np.einsum(*[part for array, places in factors for part in (*array, places)], [])


def test_as_many_graphs_as_published():
    assert [len(connected_multigraphs(d)) for d in range(1, 8)] == [1, 2, 5, 12, 33, 103, 333]
    assert len(prime_graphs(7)) == 489
    assert len(composites(7)) == 510


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(prime_graphs(7)))
def test_graphs_do_not_know_how_their_vertices_are_numbered(seed, graph):
    order = np.random.default_rng(seed).permutation(len(graph))
    assert canonical(tuple(tuple(graph[i][j] for j in order) for i in order)) == graph


def test_every_polynomial_is_its_definition():
    random = np.random.default_rng(3)
    energy, angles = random.uniform(0, 1, (2, 3)), random.uniform(0, 1, (2, 3, 3))
    angles += angles.swapaxes(1, 2)  # not 0 for a particle and itself, so that all graphs count
    found = Contraction(make_plan(prime_graphs()))(energy, angles)
    expected = [[defined(g, energy[j], angles[j]) for g in prime_graphs()] for j in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


# EnergyFlow 1.4.0: for e in graphs: EFP([(int(a), int(b)) for a, b in e.split()], measure="hadr",
# beta=0.5, coords="ptyphim")(HADRONIC), and measure="ee", beta=1.5, normed=False,
# coords="epxpypz" of LEPTONIC
ENERGYFLOW = {
    "01": (0.5050437664776143, 14566.706295549431),
    "01 01 12": (0.20808295711015373, 3846225.1822474436),
    "01 12 02": (0.12712830343027248, 2356952.58968125),
    "01 01 01 12 12 23 24": (0.038331416254617195, 300968436761.95325),
    "01 12 23 34 45 05 03": (0.014164936640579235, 12896720227990.475),
    "01 02 03 12 13 23 23": (0.009800750060468863, 688608364.6989299),
    "01 02 03 12 13 23 04": (0.007417514401082894, 63108244887.03543),
    "01 02 03 12 13 24 34": (0.012153959577442404, 89663940103.26567),
}
HADRONIC = [(120, 0.1, 0.2), (80, -0.2, 0.5), (40, 0.4, -0.3), (25, 0, -0.1), (10, -0.5, 0.3)]
LEPTONIC = [(50, 10, 20, 40), (30, -5, 25, 10), (20, 12, -3, -14), (8, 1, 2, -7)]


def test_the_numbers_are_those_of_energyflow():
    hadronic = from_cylindrical(*np.array(HADRONIC, dtype=float).T)
    leptonic = np.array(LEPTONIC, dtype=float)
    found = (
        energy_flow_polynomials(hadronic, np.array([5]), beta=0.5)[0],
        energy_flow_polynomials(leptonic, np.array([4]), 7, 1.5, "e+e-", normalised=False)[0],
    )
    for text, expected in ENERGYFLOW.items():
        column = prime_graphs().index(as_graph(text))
        np.testing.assert_allclose([each[column] for each in found], expected, rtol=1e-9)


def as_graph(text):
    matrix = np.zeros((8, 8), dtype=int)
    for one, other in text.split():
        matrix[int(one), int(other)] += 1
        matrix[int(other), int(one)] += 1
    size = int(np.count_nonzero(matrix.any(1)))
    return canonical(tuple(tuple(row) for row in matrix[:size, :size].tolist()))


def test_two_particles():
    momenta = from_cylindrical(np.array([60.0, 40]), np.array([0, 0.3]), np.array([0, 0.4]))
    found = energy_flow_polynomials(momenta, np.array([2]), beta=1.5)[0]
    for graph, value in zip(prime_graphs(), found, strict=True):
        side = two_colours(graph)
        # neighbours must be different particles, which can be done in two ways or not at all
        ways = 0 if side is None else 0.6 ** sum(side) * 0.4 ** (len(side) - sum(side))
        other = 0 if side is None else 0.4 ** sum(side) * 0.6 ** (len(side) - sum(side))
        expected = (ways + other) * 0.5 ** (1.5 * len(edge_list(graph)))
        np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-25)


def two_colours(graph):
    """Return a colour of each vertex, different for neighbours, or None if there is no way."""
    side = {0: 0}
    while len(side) < len(graph):
        side |= {
            v: 1 - side[u] for u in list(side) for v, edges in enumerate(graph[u]) if edges
        } | side
    fits = all(side[u] != side[v] for u, v in edge_list(graph))
    return [side[v] for v in range(len(graph))] if fits else None


def test_one_edge_is_twice_the_two_point_correlator():
    momenta, lengths = random_jets(1)
    found = energy_flow_polynomials(momenta, lengths, degree=1)
    np.testing.assert_allclose(found[:, 0], 2 * energy_correlators(momenta, lengths)[:, 0])


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_composites_are_polynomials_of_unconnected_graphs(seed):
    momenta, lengths = random_jets(seed)
    found = with_composites(energy_flow_polynomials(momenta, lengths, 3), 3)
    assert found.shape[1] == 8 + 4
    np.testing.assert_allclose(found[:, 8], found[:, 0] ** 2)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
@pytest.mark.parametrize("measure", ["hadronic", "e+e-"])
def test_soft_and_collinear_particles_change_nothing(measure, seed):
    momenta, lengths = random_jets(seed, jets=1, most=7)
    if lengths[0] == 0:
        return
    before = energy_flow_polynomials(momenta, lengths, beta=1, measure=measure)
    soft = np.concatenate([momenta, 1e-12 * momenta.sum(0, keepdims=True)])
    massless = from_cylindrical(*np.random.default_rng(seed).uniform(0.1, 1, (3, 4)))
    after = energy_flow_polynomials(soft, lengths + 1, beta=1, measure=measure)
    np.testing.assert_allclose(after, before, rtol=1e-8, atol=1e-10)
    split = np.concatenate([massless[:3], 0.3 * massless[3:], 0.7 * massless[3:]])
    whole, parted = (
        energy_flow_polynomials(each, np.array([len(each)]), beta=2, measure=measure)
        for each in (massless, split)
    )
    np.testing.assert_allclose(parted, whole, rtol=1e-8, atol=1e-12)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_jets_do_not_see_one_another_nor_the_order_or_memory(seed):
    momenta, lengths = random_jets(seed)
    random = np.random.default_rng(seed)
    alone = [
        energy_flow_polynomials(random.permutation(one), np.array([len(one)]), memory=1)
        for one in np.split(momenta, np.cumsum(lengths)[:-1])
    ]
    together = energy_flow_polynomials(momenta, lengths)
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-9, atol=1e-15)


def test_memory_is_bounded():
    random = np.random.default_rng(0)
    momenta = from_cylindrical(*random.uniform(0.1, 1, (3, 50 * 30)))
    lengths = np.full(50, 30)
    energy_flow_polynomials(momenta[:30], lengths[:1], 5)  # the plan is made once
    tracemalloc.start()
    energy_flow_polynomials(momenta, lengths, 5, memory=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000 + 20 * momenta.nbytes  # beside what is linear in the points


def test_unknown_measures_and_degrees_are_named():
    momenta, lengths = random_jets(1)
    with pytest.raises(StudyError, match="no measure named 'hadronik'; did you mean 'hadronic'"):
        energy_flow_polynomials(momenta, lengths, measure="hadronik")
    with pytest.raises(StudyError, match="must be 1 to 7, not 8"):
        energy_flow_polynomials(momenta, lengths, degree=8)
