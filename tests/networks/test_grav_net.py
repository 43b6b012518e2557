"""GravNet: the equations point by point, neighbours by brute force, gradients by differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.networks.grav_net import GravNetLayer
from bunchtrain.networks.layers import distance_weights, neighbour_table
from bunchtrain.networks.layers.distance_weights import gather_neighbours
from bunchtrain.networks.layers.neighbour_table import Neighbours, nearest_points


def brute_force(coordinates, lengths, k):
    """Return the set of the k nearest other points of each point."""
    found, first = [], 0
    for n in lengths:
        event = coordinates[first : first + n].double()
        for i in range(n):
            distance = (event - event[i]).square().sum(1)
            distance[i] = torch.inf
            order = distance.argsort()[: min(k, n - 1)]
            found.append({first + int(j) for j in order})
        first += n
    return found


@pytest.mark.parametrize("dimensions", [2, 4, 7])
@pytest.mark.parametrize("tree", [1, 10**9])
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    k=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_neighbours_are_those_of_all_distances(dimensions, tree, lengths, k, seed):
    random = torch.Generator().manual_seed(seed)
    coordinates = torch.randn(sum(lengths), dimensions, generator=random)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbour_table, "TREE_POINTS", tree)
        patch.setattr(neighbour_table, "BLOCK", 64)  # several blocks
        near = nearest_points(coordinates, torch.tensor(lengths), k)
    found = [set(row[:n].tolist()) for row, n in zip(near.index, near.count.tolist(), strict=True)]
    assert near.index.shape == (sum(lengths), k)
    assert found == brute_force(coordinates, lengths, k)


@pytest.mark.parametrize("tree", [1, 10**9])
def test_points_at_one_place_are_neighbours_of_each_other_but_not_of_themselves(tree, monkeypatch):
    monkeypatch.setattr(neighbour_table, "TREE_POINTS", tree)
    near = nearest_points(torch.ones(6, 3), torch.tensor([6]), 3)
    assert near.count.tolist() == [3] * 6
    assert all(i not in row and len(set(row)) == 3 for i, row in enumerate(near.index.tolist()))


@pytest.mark.parametrize("chunk", [1, 2**17])
def test_the_equations_point_by_point(chunk, monkeypatch):
    monkeypatch.setattr(distance_weights, "CHUNK", chunk)
    torch.manual_seed(1)
    layer, lengths = GravNetLayer(3, 2, 4, 5, k=2), [4, 1, 0, 2]
    x = torch.randn(7, 3)
    wanted = []
    for event in x.split(lengths):
        space, features = layer.space(event), layer.features(event)
        for i in range(len(event)):
            distance = (space - space[i]).square().sum(1)
            others = [j for j in distance.argsort().tolist() if j != i][:2]
            sent = torch.stack(
                [torch.exp(-distance[j]) * features[j] for j in others] or [0 * features[0]]
            )
            own = torch.cat([event[i], sent.mean(0), sent.amax(0)])
            wanted.append(torch.tanh(layer.output(own)))
    torch.testing.assert_close(layer(x, torch.tensor(lengths)), torch.stack(wanted))


@pytest.mark.parametrize("chunk", [1, 2**17])
def test_the_gradient_is_that_of_differences(chunk, monkeypatch):
    monkeypatch.setattr(distance_weights, "CHUNK", chunk)
    random = torch.Generator().manual_seed(2)
    space = torch.randn(6, 2, dtype=torch.float64, generator=random, requires_grad=True)
    features = torch.randn(6, 3, dtype=torch.float64, generator=random, requires_grad=True)
    near = Neighbours(torch.tensor([[1, 2], [0, 3], [4, 1], [5, 0], [3, 2], [0, 0]]),
                      torch.tensor([2, 2, 1, 2, 2, 0]))  # fmt: skip
    assert torch.autograd.gradcheck(
        lambda s, f: gather_neighbours(s, f, near), (space, features), fast_mode=False
    )


@settings(max_examples=10, deadline=None)
@given(angle=st.floats(0, 6.3), shift=st.floats(-3, 3))
def test_rotations_and_shifts_of_the_space_change_nothing(angle, shift):
    random = torch.Generator().manual_seed(3)
    space, features = torch.randn(9, 2, generator=random), torch.randn(9, 3, generator=random)
    turn = torch.tensor([[angle]])
    turn = torch.cat(
        [torch.cat([turn.cos(), -turn.sin()], 1), torch.cat([turn.sin(), turn.cos()], 1)]
    )
    lengths, moved = torch.tensor([5, 4]), space @ turn + shift
    first = gather_neighbours(space, features, nearest_points(space, lengths, 3))
    again = gather_neighbours(moved, features, nearest_points(moved, lengths, 3))
    torch.testing.assert_close(first, again, rtol=1e-3, atol=1e-4)
