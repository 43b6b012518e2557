"""Sparse convolutional network on hits, at the occupied cells of a grid alone.

Hits of an event in the same cell are added. Each block is submanifold convolutions with ReLU, and
joins cells to those of twice the side by their largest value or by a strided convolution; with
occupied cells C and filters W (arXiv:1711.10275),

    x'_c = relu(b + Σ_o W_o x_{c+o}),   c ∈ C.

The sums of the outputs of every block over the cells of the event are the input of a dense network.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import segment_ids
from bunchtrain.networks.layers.sparse_cells import LIMIT, MAX_AXES, Cells, find_cells, pool_cells
from bunchtrain.networks.layers.sparse_convolution import (
    StridedConvolution,
    SubmanifoldBlock,
    largest_value,
)
from bunchtrain.parts.ranges import NUMBER, BlockWidths, Dropout, HiddenWidths, PointCount

#: Cells along each side of a filter; each has a column in the table of neighbours.
Kernel = Annotated[int, Field(ge=1, le=9), NUMBER]


class SparseCNN(nn.Module):
    """Submanifold convolutional network on the occupied cells of a grid (arXiv:1711.10275).

    The cell of a point is that of its coordinates rounded down: give them in units of cells. Beyond
    2¹⁵ cells from the origin they are those of the edge.

    features     input features of a point; those of a cell are their sums.
    coordinates  number of axes, 1 to 3.
    outputs      number of outputs.
    filters      for each block, the filters of its convolutions.
    kernel       cells along each side of a filter.
    pooling      cells of the next block: the largest value of 2 along each axis, or a convolution.
    points       cells of a full event, by which sums are divided; events may have more.
    widths       units of the dense layers.
    dropout      fraction of the units of the dense layers dropped in training.
    """

    def __init__(
        self,
        features: int,
        coordinates: int,
        outputs: int,
        *,
        filters: BlockWidths = ((16, 16), (32, 32), (32, 32)),
        kernel: Kernel = 3,
        pooling: Literal["max", "convolution"] = "max",
        points: PointCount = 128,
        widths: HiddenWidths = (64,),
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        if coordinates > MAX_AXES:
            raise StudyError(
                f"model 'sparse_cnn' has {coordinates} coordinates, and cells have at most "
                f"{MAX_AXES} axes; give the representation three 'coordinates'"
            )
        self.points = points
        self.blocks, self.joins = nn.ModuleList(), nn.ModuleList()
        channels = features
        for block in filters:
            self.blocks.append(SubmanifoldBlock(channels, block, kernel, coordinates))
            channels = block[-1]
            if pooling == "convolution" and len(self.blocks) < len(filters):
                self.joins.append(StridedConvolution(channels, channels, coordinates))
        self.dense = perceptron(sum(b[-1] for b in filters), widths, outputs, dropout=dropout)

    def forward(self, features: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from points packed in events.

        features     (points, feature).
        coordinates  (points, axis) in cells.
        lengths      (batch,) points of each event.
        """
        place = coordinates.floor().clamp(-LIMIT, LIMIT - 1).long()
        event = segment_ids(lengths, place.shape[0])
        cells, row = find_cells(event, place, lengths.shape[0])
        x = features.new_zeros((cells.key.shape[0], features.shape[1])).index_add(0, row, features)
        sums = []
        for index, block in enumerate(self.blocks):
            if index:
                x, cells = self._join(x, cells, index)
            x = block(x, cells)
            sums.append(cells.sum(x))
        output: Tensor = self.dense(torch.cat(sums, 1) / self.points)
        return output

    def _join(self, x: Tensor, cells: Cells, index: int) -> tuple[Tensor, Cells]:
        """Return the values of larger cells, and these cells, before the block `index`."""
        larger, row, corner = pool_cells(cells)
        if self.joins:
            joined = self.joins[index - 1](x, row, corner, larger)
            return larger.keep(torch.relu(joined)), larger
        return largest_value(x, row, larger), larger
