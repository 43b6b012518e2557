import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain.networks.layers import edges
from bunchtrain.representations.graph import nearest_neighbours


def by_brute_force(coordinates, lengths, k):
    edges, begin = set(), 0
    for length in lengths:
        for i in range(begin, begin + length):
            others = [j for j in range(begin, begin + length) if j != i]
            others.sort(key=lambda j: float(((coordinates[i] - coordinates[j]) ** 2).sum()))
            edges |= {(j, i) for j in others[:k]}
        begin += length
    return edges


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 5))
def test_edges_equal_brute_force(lengths, k):
    coordinates = np.random.default_rng(k).normal(size=(sum(lengths), 2)).astype(np.float32)
    edges = nearest_neighbours(coordinates, np.array(lengths), k)
    assert edges.shape[1] == sum(n * min(k, n - 1) for n in lengths if n)
    assert set(map(tuple, edges.T.tolist())) == by_brute_force(coordinates, lengths, k)
    assert edges[1].tolist() == sorted(edges[1].tolist())


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=6),
    st.integers(1, 16),
    st.sampled_from([0.125, 0.1, 1.0]),
    st.integers(2, 4),
)
def test_equal_distances_are_ordered_by_index_whatever_else_is_in_the_batch(n, k, step, size):
    lengths, random = np.array(n), np.random.default_rng(len(n))
    coordinates = (random.integers(0, size, (sum(n), 2)) * step).astype(np.float32)
    graph = nearest_neighbours(coordinates, lengths, k)
    found = edges.nearest_neighbours(torch.tensor(coordinates), torch.tensor(lengths), k)
    assert set(map(tuple, graph.T.tolist())) == by_brute_force(coordinates, n, k)
    pairs = zip(found.sender.tolist(), found.receiver.tolist(), strict=True)
    assert set(pairs) == by_brute_force(coordinates, n, k)


def test_little_memory_gives_the_same_edges():
    coordinates, lengths = np.random.default_rng(1).normal(size=(40, 2)), np.full(8, 5)
    expected = nearest_neighbours(coordinates, lengths, 3)
    assert np.array_equal(nearest_neighbours(coordinates, lengths, 3, memory=1), expected)
