import numpy as np
import pytest
import torch

pytest.importorskip("alkaid")

from bunchtrain.deployment.circuits.forest import Forest, feature_formats
from bunchtrain.networks.layers.trees import DecisionTrees, Tree


def random_tree(random, features, depth):
    """A full tree with cuts off the grid and values in the leaves."""
    inner, nodes = 2**depth - 1, 2 ** (depth + 1) - 1
    number = np.arange(nodes)
    left = np.where(number < inner, 2 * number + 1, -1)
    right = np.where(number < inner, 2 * number + 2, -1)
    feature = random.integers(0, features, nodes)
    cut = random.normal(0, 3.0, nodes)
    value = np.where(number < inner, 0, random.normal(0, 1, nodes))[:, None]
    return Tree(left, right, feature, cut, np.zeros(nodes, bool), value)


@pytest.fixture
def trees():
    random = np.random.default_rng(4)
    planted = DecisionTrees(1)
    planted.set_trees([random_tree(random, 3, depth) for depth in (1, 3, 3, 2, 4)], np.array([0.3]))
    return planted


@pytest.mark.parametrize("bits", [4, 6, 11])
def test_the_circuit_of_a_forest_gives_its_numbers(trees, bits):
    forest = Forest(trees, feature_formats(trees, 3, bits), 5, ["a", "b", "c"])
    table = torch.from_numpy(np.random.default_rng(5).normal(0, 4, (800, 3)))
    sample = forest.sample({"table": table})
    found = forest.circuit(["score"]).evaluate(sample.inputs)
    np.testing.assert_array_equal(found, sample.outputs)


def test_fine_formats_decide_as_real_numbers_do(trees):
    forest = Forest(trees, feature_formats(trees, 3, 30), 20, ["a", "b", "c"])
    table = torch.from_numpy(np.random.default_rng(5).normal(0, 40, (800, 3))).float()
    sample = forest.sample({"table": table})
    np.testing.assert_allclose(sample.outputs, sample.unrounded, atol=1e-5)
    assert sample.saturated["input"] > 0


def test_a_feature_without_cuts_has_no_bit(trees):
    k, i, f = feature_formats(trees, 5, 8)
    assert (k + i + f).tolist() == [8, 8, 8, 0, 0]
