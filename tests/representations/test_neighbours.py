import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.representations.graph import nearest_neighbours


def by_brute_force(coordinates, lengths, k):
    edges, begin = set(), 0
    for length in lengths:
        for i in range(begin, begin + length):
            others = [j for j in range(begin, begin + length) if j != i]
            others.sort(key=lambda j: float((coordinates[i] - coordinates[j]).square().sum()))
            edges |= {(j, i) for j in others[:k]}
        begin += length
    return edges


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 5))
def test_edges_equal_brute_force(lengths, k):
    coordinates = torch.randn(sum(lengths), 2, generator=torch.Generator().manual_seed(k))
    edges = nearest_neighbours(coordinates, torch.tensor(lengths), k)
    assert edges.shape[1] == sum(n * min(k, n - 1) for n in lengths if n)
    assert set(map(tuple, edges.T.tolist())) == by_brute_force(coordinates, lengths, k)
    assert edges[1].tolist() == sorted(edges[1].tolist())


def test_little_memory_gives_the_same_edges():
    coordinates, lengths = torch.randn(40, 2), torch.full((8,), 5)
    expected = nearest_neighbours(coordinates, lengths, 3)
    assert torch.equal(nearest_neighbours(coordinates, lengths, 3, memory=1), expected)
