"""Convolutions over a grid of cells into which points are sorted, with an output for each point.

The points of an event are sorted into cells of equal size; a cell has the mean of the features of
its points and the logarithm of their number. Convolutions with zero padding keep the grid,

    V⁰ = [mean_i x_i, ln(1 + n)],   V^{l+1} = relu(W_l ∗ V^l + b_l),

and dense layers join the features of a point with those of its cell after the last convolution. It
is the way of regular detectors, with which networks on points are compared (arXiv:1902.07987).
"""

from __future__ import annotations

from math import prod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.convolution import plain_convolutions
from bunchtrain.networks.layers.dense import dense, perceptron
from bunchtrain.networks.layers.packing import segment_ids, segment_mean
from bunchtrain.parts.ranges import Finite, HiddenWidths, Kernel, Pixels, Widths

Cells = Annotated[tuple[Pixels, ...], Field(min_length=1, max_length=3)]
Limits = Annotated[tuple[tuple[Finite, Finite], ...], Field(min_length=1, max_length=3)]


class GridCNN(nn.Module):
    """Convolutions over a grid of cells, gathered at each point (arXiv:1902.07987).

    Points outside the ranges are in the cell at the edge.

    features     input features of a point.
    coordinates  of a point, which give its cell.
    outputs      number of outputs of an event.
    cells        number of cells along each coordinate, one to three.
    ranges       lowest and highest value of each coordinate.
    filters      of each convolution.
    kernel       length of each side of a filter.
    dense        widths of the layers that join a point with its cell.
    widths       units of the dense layers after the mean over the event, for outputs of events.
    """

    def __init__(
        self,
        features: int,
        coordinates: int,
        outputs: int,
        *,
        cells: Cells = (16, 16),
        ranges: Limits = ((-1.0, 1.0), (-1.0, 1.0)),
        filters: Widths = (16, 16, 16),
        kernel: Kernel = 3,
        dense: HiddenWidths = (64,),
        widths: HiddenWidths = (64,),
    ) -> None:
        super().__init__()
        if not len(cells) == len(ranges) == coordinates:
            raise StudyError(
                f"model 'grid_cnn' needs one number of cells and one range of each of the "
                f"{coordinates} coordinates, and has {len(cells)} and {len(ranges)}"
            )
        for low, high in ranges:
            if not low < high:
                raise StudyError(f"model 'grid_cnn': ranges must rise, got {low:g} to {high:g}")
        self.cells = tuple(cells)
        self.low: Tensor
        self.high: Tensor
        self.register_buffer("low", torch.tensor([low for low, _ in ranges]))
        self.register_buffer("high", torch.tensor([high for _, high in ranges]))
        self.convolutions = plain_convolutions(features + 1, len(cells), filters, kernel)
        self.join = _dense(features + filters[-1], dense)
        self.point_width = [features + filters[-1], *dense][-1]
        self.classifier = perceptron(self.point_width, widths, outputs)

    #: Modules of the outputs of events alone.
    event_modules = ("classifier",)

    def embed_points(self, features: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return each point joined with its cell, (points, width)."""
        cell = self._cell(coordinates, lengths)
        rows = lengths.shape[0] * prod(self.cells)
        ones = features.new_ones(features.shape[0], 1)
        sums = features.new_zeros(rows, features.shape[1] + 1)
        sums = sums.index_add(0, cell, torch.cat([features, ones], 1))
        count = sums[:, -1:]
        grid = torch.cat([sums[:, :-1] / count.clamp(min=1), torch.log1p(count)], 1)
        grid = grid.view(lengths.shape[0], *self.cells, -1).movedim(-1, 1)
        convolved = self.convolutions(grid).movedim(1, -1).flatten(0, -2)
        joined: Tensor = self.join(torch.cat([features, convolved[cell]], 1))
        return joined

    def _cell(self, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return the cell of each point among those of the batch, (points,)."""
        place = (coordinates - self.low) / (self.high - self.low)
        found = segment_ids(lengths, coordinates.shape[0])
        for axis, size in enumerate(self.cells):
            found = found * size + (place[:, axis] * size).floor().long().clamp(0, size - 1)
        return found

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        outputs: Tensor = self.classifier(segment_mean(points, lengths))
        return outputs

    def forward(self, features: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        features     (points, feature), packed.
        coordinates  (points, coordinate), packed.
        lengths      (batch,), points of each event.
        """
        return self.read_out(self.embed_points(features, coordinates, lengths), lengths)


def _dense(size: int, widths: tuple[int, ...]) -> nn.Sequential:
    return dense(size, widths)
