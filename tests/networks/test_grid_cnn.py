"""A CNN on points: its cells, its convolution by hand, edges, and what is refused."""

import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.networks.grid_cnn import GridCNN

LENGTHS = torch.tensor([3, 0, 2])
RANGES = ((0.0, 4.0), (-1.0, 1.0))
#: Two points in one cell, one on its own, one in the same cell of another event, one far outside.
PLACES = torch.tensor([[0.5, -0.9], [0.9, -0.1], [3.5, 0.5], [0.1, -0.5], [99.0, -99.0]])


def made(**options):
    torch.manual_seed(1)
    options = {"cells": (4, 2), "ranges": RANGES, "filters": (3,), "dense": ()} | options
    return GridCNN(2, 2, 2, **options)


def test_a_convolution_of_one_cell_is_a_linear_map_of_the_means_of_its_points():
    model, features = made(kernel=1), torch.randn(5, 2)
    found = model.embed_points(features, PLACES, LENGTHS)
    layer = model.convolutions[1]
    weight, bias = layer.weight[:, :, 0, 0], layer.bias
    for point, cell in enumerate([[0, 1], [0, 1], [2], [3], [4]]):
        count = torch.tensor([float(len(cell))])
        values = torch.cat([features[cell].mean(0), torch.log1p(count)])
        wanted = torch.cat([features[point], torch.relu(weight @ values + bias)])
        torch.testing.assert_close(found[point], wanted)


def test_a_point_sees_the_cells_within_the_kernels_and_no_other_event():
    model, features = made(), torch.randn(5, 2)
    before = model.embed_points(features, PLACES, LENGTHS)
    features[3] += 1.0  # cell (0, 0) of the last event; the other point is in (3, 0)
    after = model.embed_points(features, PLACES, LENGTHS)
    assert (before != after).any(1).tolist() == [False, False, False, True, False]
    features[1] += 1.0
    again = model.embed_points(features, PLACES, LENGTHS)
    assert (again != after).any(1).tolist() == [True, True, False, False, False]


def test_three_coordinates_and_events_without_points():
    model = GridCNN(2, 3, 4, cells=(3, 2, 2), ranges=((-1.0, 1.0),) * 3, filters=(4,))
    found = model(torch.randn(3, 2), torch.randn(3, 3), torch.tensor([0, 3]))
    assert found.shape == (2, 4)
    assert found.isfinite().all()
    assert model(torch.zeros(0, 2), torch.zeros(0, 3), torch.tensor([0, 0])).shape == (2, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": (4,)}, "of each of the 2 coordinates, and has 1 and 2"),
        ({"ranges": ((0.0, 1.0), (1.0, 1.0))}, "ranges must rise, got 1 to 1"),
    ],
)
def test_options_that_do_not_fit_end_in_a_sentence(options, message):
    with pytest.raises(StudyError, match=message):
        made(**options)
