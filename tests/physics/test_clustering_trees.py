"""The clustering trees against the definition of the algorithms, and what holds for any tree."""

import numpy as np
import pytest

from bunchtrain.physics import kinematics as kin
from bunchtrain.physics.clustering_trees import clustering_trees
from bunchtrain.physics.packed import starts


def random_jets(seed, most=14, jets=8):
    random = np.random.default_rng(seed)
    lengths = random.integers(0, most, jets)
    rise, turn = random.normal(0, 0.3, (2, lengths.sum()))
    turn += np.repeat(random.uniform(-np.pi, np.pi, jets), lengths)
    mass = random.exponential(0.3, lengths.sum())
    return kin.from_cylindrical(
        random.exponential(20, lengths.sum()) + 0.1, rise, turn, mass
    ), lengths


def by_definition(points, power):
    """Return the sums of a jet in the order in which they are made, pair by pair."""
    nodes, alive = list(points), list(range(len(points)))
    while len(alive) > 1:
        now = np.array([nodes[i] for i in alive])
        y, phi = kin.rapidity(*now.T), kin.azimuth(now[:, 1], now[:, 2])
        pt = kin.transverse(now[:, 1], now[:, 2]) ** (2 * power)
        apart = (y[:, None] - y) ** 2 + kin.wrap_angle(phi[:, None] - phi) ** 2
        measure = np.minimum(pt[:, None], pt) * apart + np.diag(np.full(len(now), np.inf))
        pair = [alive[k] for k in np.unravel_index(measure.argmin(), measure.shape)]
        nodes.append(nodes[pair[0]] + nodes[pair[1]])
        alive = [k for k in alive if k not in pair] + [len(nodes) - 1]
    return np.array(nodes)


@pytest.mark.parametrize(("algorithm", "power"), [("kt", 1), ("cambridge_aachen", 0)])
def test_nodes_are_made_in_the_order_of_the_definition(algorithm, power):
    momenta, lengths = random_jets(3)
    trees = clustering_trees(momenta, lengths, algorithm, memory=10_000)
    assert trees.lengths.tolist() == [max(2 * n - 1, 0) for n in lengths]
    for begin, n, first in zip(starts(lengths), lengths, starts(trees.lengths), strict=True):
        if n:
            nodes = by_definition(momenta[begin : begin + n], power)
            np.testing.assert_allclose(trees.momenta[first : first + 2 * n - 1], nodes, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["kt", "cambridge_aachen"])
def test_every_node_is_the_sum_of_the_two_below_it(algorithm):
    trees = clustering_trees(*random_jets(5, most=40), algorithm)
    first = np.repeat(starts(trees.lengths), trees.lengths)
    inner = trees.children[:, 0] >= 0
    children = (trees.children + first[:, None])[inner]
    np.testing.assert_allclose(trees.momenta[children].sum(1), trees.momenta[inner], atol=1e-9)
    assert (trees.levels[children] == trees.levels[inner][:, None] + 1).all()
    pt = kin.transverse(*trees.momenta[children][..., 1:3].transpose(2, 0, 1))
    assert (pt[:, 0] >= pt[:, 1]).all()
    roots = (np.cumsum(trees.lengths) - 1)[trees.lengths > 0]
    assert (trees.levels[roots] == 0).all()
    assert len(np.unique(children)) == len(trees.levels) - len(roots)
    assert (trees.children[~inner] == -1).all()


def test_the_order_of_the_points_does_not_matter():
    momenta, lengths = random_jets(7, jets=1, most=30)
    turned = np.random.default_rng(1).permutation(len(momenta))
    one, other = (clustering_trees(m, lengths) for m in (momenta, momenta[turned]))
    sums = slice(lengths[0], None)
    np.testing.assert_allclose(one.momenta[sums], other.momenta[sums], atol=1e-9)
    assert one.levels[sums].tolist() == other.levels[sums].tolist()
