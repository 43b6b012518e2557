"""Convolutions on occupied cells alone: their cost grows with these and not with the volume.

A submanifold convolution (arXiv:1711.10275) keeps the occupied cells C as they are,

    y_c = b + Σ_o W_o x_{c+o},   c ∈ C,   x = 0 in cells that are not occupied,

the dense convolution restricted to them. A strided one, of 2 cells and stride 2, has the value
y_c = b + Σ_o W_o x_{2c+o} in each larger cell that holds an occupied one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.sparse_cells import (
    Cells,
    Neighbours,
    find_neighbours,
    neighbour_table,
)


class SubmanifoldConvolution(nn.Module):
    """Dense convolution with zero padding, restricted to occupied cells.

    channels  of a cell.
    filters   number of outputs of a cell.
    kernel    length of each side of a filter.
    axes      of the grid.
    """

    def __init__(self, channels: int, filters: int, kernel: int, axes: int) -> None:
        super().__init__()
        self.weight, self.bias = _parameters(kernel**axes * channels, filters)

    def forward(self, x: Tensor, near: Neighbours | Tensor) -> Tensor:
        """Return (cells, filters) from x (cells, channels).

        near  pairs of neighbours, or in an export their rows (cells, kernel^axes).
        """
        if isinstance(near, Tensor):
            return _gather(x, near) @ self.weight + self.bias
        weights = self.weight.view(len(near.counts), x.shape[1], -1)
        parts = x.index_select(0, near.second).split_with_sizes(near.counts)
        made = [part @ weight for part, weight in zip(parts, weights, strict=True)]
        whole = self.bias.expand(x.shape[0], len(self.bias))
        return whole.index_add(0, near.first, torch.cat(made))


class SubmanifoldBlock(nn.Module):
    """Submanifold convolutions of the same cells, each with ReLU.

    channels  of a cell.
    filters   of each convolution.
    kernel    length of each side of a filter.
    axes      of the grid.
    """

    def __init__(self, channels: int, filters: Sequence[int], kernel: int, axes: int) -> None:
        super().__init__()
        sizes = zip([channels, *filters], filters, strict=False)
        self.layers = nn.ModuleList(SubmanifoldConvolution(n, m, kernel, axes) for n, m in sizes)
        self.kernel = kernel

    def forward(self, x: Tensor, cells: Cells) -> Tensor:
        """Return (cells, filters of the last) from x (cells, channels)."""
        is_exported = torch.compiler.is_exporting()
        near = (neighbour_table if is_exported else find_neighbours)(cells, self.kernel)
        for layer in self.layers:
            x = cells.keep(torch.relu(layer(x, near)))
        return x


class StridedConvolution(nn.Module):
    """Convolution of 2 cells with stride 2 along each axis, where there are occupied cells.

    channels  of a cell.
    filters   number of outputs of a larger cell.
    axes      of the grid.
    """

    def __init__(self, channels: int, filters: int, axes: int) -> None:
        super().__init__()
        self.corners = 2**axes
        self.weight, self.bias = _parameters(self.corners * channels, filters)

    def forward(self, x: Tensor, row: Tensor, corner: Tensor, larger: Cells) -> Tensor:
        """Return (larger cells, filters) from x (cells, channels).

        row     of the larger cell that holds each, (cells,).
        corner  which of its cells each is, (cells,).
        larger  the larger cells.
        """
        corners = torch.arange(self.corners, device=x.device)
        placed = (corner[:, None] == corners)[:, :, None] * x[:, None]  # (cells, corner, channel)
        made = placed.flatten(1) @ self.weight
        total = made.new_zeros((larger.key.shape[0], made.shape[1]))
        return total.index_add(0, row, made) + self.bias


def largest_value(x: Tensor, row: Tensor, larger: Cells) -> Tensor:
    """Return the largest value in each larger cell, (larger cells, channel), for values ≥ 0."""
    zero = x.new_zeros((larger.key.shape[0], x.shape[1]))
    return zero.scatter_reduce(0, row[:, None].expand_as(x), x, "amax")


def _parameters(inputs: int, filters: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Return weights (inputs, filters) for ReLU and biases, as those of dense convolutions."""
    weight = torch.empty(inputs, filters)
    nn.init.kaiming_uniform_(weight.T, nonlinearity="relu")
    bias = torch.empty(filters).uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
    return nn.Parameter(weight), nn.Parameter(bias)


def _gather(x: Tensor, near: Tensor) -> Tensor:
    """Return the values of all neighbours, (cells, neighbours · channels)."""
    padded = torch.cat([x, x.new_zeros((1, x.shape[1]))])
    return padded.index_select(0, near.flatten()).view(near.shape[0], near.shape[1] * x.shape[1])
