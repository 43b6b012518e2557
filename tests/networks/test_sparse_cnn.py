"""Sparse convolutions beside dense ones, and the network of them."""

import pytest
import torch
from exported import check_onnx
from torch.nn import functional

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.networks.layers import sparse_cells, sparse_convolution
from bunchtrain.networks.layers.sparse_cells import (
    LIMIT,
    find_cells,
    neighbour_table,
    pool_cells,
)
from bunchtrain.networks.layers.sparse_convolution import (
    StridedConvolution,
    SubmanifoldConvolution,
    largest_value,
)
from bunchtrain.networks.sparse_cnn import SparseCNN

DENSE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
POOLED = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def occupied(axes, *, events=2, side=6, seed=1):
    """Return the cells of a random fifth of grids, with their values as a list and as grids."""
    random = torch.Generator().manual_seed(seed)
    chosen = torch.rand(events, *[side] * axes, generator=random) < 0.2
    place = chosen.nonzero()
    cells, row = find_cells(place[:, 0], place[:, 1:], events)
    x = torch.randn(len(place), 3, generator=random, dtype=torch.float64)
    return cells, x[row.argsort()], to_grid(cells, x[row.argsort()], side)


def to_grid(cells, x, side):
    axes = cells.place.shape[1]
    grid = x.new_zeros(cells.events, x.shape[1], *[side] * axes)
    for event, place, value in zip(cells.event, cells.place, x, strict=True):
        grid[(event, slice(None), *place)] = value
    return grid


def dense_weight(layer, kernel, axes):
    """Return the weights of a sparse layer in the shape of those of a dense one."""
    filters = layer.weight.shape[1]
    shaped = layer.weight.view(*[kernel] * axes, -1, filters)
    return shaped.movedim(-1, 0).movedim(-1, 1)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_submanifold_convolution_is_the_dense_one_in_occupied_cells(axes, kernel):
    cells, x, grid = occupied(axes)
    layer = SubmanifoldConvolution(3, 4, kernel, axes).double()
    before, after = (kernel - 1) // 2, kernel // 2
    padded = functional.pad(grid, (before, after) * axes)
    dense = DENSE[axes](padded, dense_weight(layer, kernel, axes), layer.bias)
    index = (cells.event, slice(None), *cells.place.T)
    near, back = neighbour_table(cells, kernel), neighbour_table(cells, kernel, -1)
    torch.testing.assert_close(layer(x, near, back), dense[index])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernel", [2, 3])
def test_gradients_are_those_of_finite_differences(channels, kernel, monkeypatch):
    monkeypatch.setattr(sparse_convolution, "CHUNK", 200)  # several parts
    cells, x, _ = occupied(2)
    near, back = neighbour_table(cells, kernel), neighbour_table(cells, kernel, -1)
    layer = SubmanifoldConvolution(channels, 2, kernel, 2).double()
    inputs = (x[:, :channels].clone().requires_grad_(), layer.weight, layer.bias)

    def convolve(values, *_):
        return layer(values, near, back)

    assert torch.autograd.gradcheck(convolve, inputs)
    assert torch.autograd.gradgradcheck(convolve, inputs)
    inputs[0].requires_grad_(False)
    assert torch.autograd.gradcheck(convolve, inputs)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 9])
@pytest.mark.parametrize("sign", [1, -1])
def test_bisection_finds_the_neighbours_of_the_table(axes, kernel, sign, monkeypatch):
    place = torch.randint(-20, 20, (60, axes), generator=torch.Generator().manual_seed(5))
    cells, _ = find_cells(torch.arange(60) // 30, place, 2)
    table = neighbour_table(cells, kernel, sign)
    monkeypatch.setattr(sparse_cells, "KEYS", 0)
    assert neighbour_table(cells, kernel, sign).equal(table)
    assert (table == torch.arange(len(cells.key))[:, None]).any(1).all()  # each finds itself


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_joined_cells_are_those_of_dense_layers(axes):
    cells, x, grid = occupied(axes)
    larger, row, corner = pool_cells(cells)
    index = (larger.event, slice(None), *larger.place.T)
    layer = StridedConvolution(3, 4, axes).double()
    dense = DENSE[axes](grid, dense_weight(layer, 2, axes), layer.bias, stride=2)
    torch.testing.assert_close(layer(x, row, corner, larger), dense[index])
    largest = POOLED[axes](grid.abs(), 2)
    torch.testing.assert_close(largest_value(x.abs(), row, larger), largest[index])
    assert len(larger.key) == (largest > 0).any(1).sum()


def test_cells_left_of_the_origin_join_as_those_right_of_it():
    place = torch.tensor([[-2, -1, 0], [-1, -1, 1], [0, 0, 0], [1, 1, 1], [LIMIT - 1] * 3])
    cells, row = find_cells(torch.zeros(5, dtype=torch.long), place, 1)
    assert cells.place[row].equal(place)
    larger, upper, corner = pool_cells(cells)
    half = LIMIT // 2 - 1
    assert larger.place.tolist() == [[-1, -1, 0], [0, 0, 0], [half] * 3]
    assert upper[row].tolist() == [0, 0, 1, 1, 2]
    assert corner[row].tolist() == [2, 7, 0, 7, 7]


def network(**options):
    torch.manual_seed(2)
    return SparseCNN(3, 3, 2, filters=((4, 4), (5,)), points=10, widths=(6,), **options).eval()


def events(lengths, seed=3):
    random = torch.Generator().manual_seed(seed)
    count = sum(lengths)
    features = torch.randn(count, 3, generator=random)
    coordinates = 8 * torch.rand(count, 3, generator=random) - 4
    return features, coordinates, torch.tensor(lengths)


@pytest.mark.parametrize("pooling", ["max", "convolution"])
def test_network_is_the_dense_one_on_occupied_cells(pooling):
    model = network(pooling=pooling).double()
    features, coordinates, lengths = events([40, 25])
    place = coordinates.floor().long() + 4
    event = torch.arange(2).repeat_interleave(lengths)
    flat = ((event * 8 + place[:, 0]) * 8 + place[:, 1]) * 8 + place[:, 2]
    sums = torch.zeros(2 * 8**3, 3, dtype=torch.float64).index_add(0, flat, features.double())
    grid = sums.view(2, 8, 8, 8, 3).movedim(-1, 1)
    full = torch.zeros(2 * 8**3, dtype=torch.float64).index_fill(0, flat, 1).view(2, 1, 8, 8, 8)
    found = []
    for index, block in enumerate(model.blocks):
        if index and pooling == "max":
            grid = functional.max_pool3d(grid, 2)
        elif index:
            join = model.joins[index - 1]
            grid = functional.conv3d(grid, dense_weight(join, 2, 3), join.bias, stride=2).relu()
        full = functional.max_pool3d(full, 2) if index else full
        grid = grid * full
        for layer in block.layers:
            weight = dense_weight(layer, 3, 3)
            grid = functional.conv3d(grid, weight, layer.bias, padding=1).relu() * full
        found.append(grid.sum((2, 3, 4)))
    expected = model.dense(torch.cat(found, 1) / 10)
    torch.testing.assert_close(model(features.double(), coordinates.double(), lengths), expected)


def test_order_of_points_and_other_events_do_not_matter():
    model = network()
    features, coordinates, lengths = events([30, 0, 20])
    together = model(features, coordinates, lengths)
    shuffled = torch.randperm(30, generator=torch.Generator().manual_seed(4))
    alone = model(features[shuffled], coordinates[shuffled], torch.tensor([30]))
    torch.testing.assert_close(alone, together[:1], rtol=1e-4, atol=1e-5)
    rest = model(features[30:], coordinates[30:], torch.tensor([20]))
    torch.testing.assert_close(rest, together[2:], rtol=1e-4, atol=1e-5)


def test_events_without_points_have_the_output_of_no_sum():
    model = network()
    empty = model(torch.zeros(0, 3), torch.zeros(0, 3), torch.tensor([0, 0]))
    torch.testing.assert_close(empty, model.dense(torch.zeros(2, 9)))


def test_a_shift_by_whole_larger_cells_changes_nothing():
    model = network()
    features, coordinates, lengths = events([30, 12])
    moved = coordinates + torch.tensor([6.0, -4.0, 100.0])
    torch.testing.assert_close(
        model(features, moved, lengths), model(features, coordinates, lengths), rtol=1e-4, atol=1e-5
    )


def test_four_axes_are_an_error():
    with pytest.raises(StudyError, match="at most 3 axes"):
        parts.build("model", "sparse_cnn", {}, 3, 4, 2)


@pytest.mark.parametrize("pooling", ["max", "convolution"])
@pytest.mark.filterwarnings("ignore")
def test_exported_graph_gives_the_same(pooling, tmp_path):
    def inputs(_, lengths):
        names = ("features", "coordinates", "lengths")
        return dict(zip(names, events(lengths, seed=len(lengths)), strict=True))

    check_onnx(network(pooling=pooling), inputs, tmp_path / "model.onnx", 1e-5)
