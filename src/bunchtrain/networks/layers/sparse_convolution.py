"""Convolutions on occupied cells alone: their cost grows with these and not with the volume.

A submanifold convolution (arXiv:1711.10275) keeps the occupied cells C as they are,

    y_c = b + Σ_o W_o x_{c+o},   c ∈ C,   x = 0 in cells that are not occupied,

the dense convolution restricted to them. A strided one, of 2 cells and stride 2, has the value
y_c = b + Σ_o W_o x_{2c+o} in each larger cell that holds an occupied one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.sparse_cells import Cells, neighbour_table

#: Values of neighbours that are gathered at once, 1 MiB.
CHUNK = 2**18


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

    def forward(self, x: Tensor, near: Tensor, back: Tensor) -> Tensor:
        """Return (cells, filters) from x (cells, channels).

        near  rows of the neighbours, (cells, kernel^axes); the number of cells if not occupied.
        back  rows of the cells of which each one is the neighbour, likewise.
        """
        if torch.compiler.is_exporting():
            return _rows(_pad(x), near) @ self.weight + self.bias
        made: Tensor = _Convolution.apply(x, self.weight, near, back)  # type: ignore[no-untyped-call]
        return made + self.bias


class _Convolution(torch.autograd.Function):
    """Σ_o W_o x_{c+o}, whose gradients are sums over neighbours too: nothing is scattered.

    With the slopes s of the outputs, those of inputs and weights are

        dx_c = Σ_o W_o s_{c−o},   dW_o = Σ_c x_c s_{c−o}.

    Values of neighbours are gathered a part at a time, and not kept.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, near: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, near, back)
        padded = _pad(x)
        parts = _parts(near, x.shape[1])
        return torch.cat([_rows(padded, near[part]) @ weight for part in parts])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight, near, back = ctx.saved_tensors
        x, slope = x.to(weight.dtype), slopes[0].to(weight.dtype)  # others with autocast
        if not ctx.needs_input_grad[0]:
            padded, parts = _pad(x), _parts(near, x.shape[1])
            found = [_rows(padded, near[part]).T @ slope[part] for part in parts]
            return None, torch.stack(found).sum(0), None, None
        channels, filters = x.shape[1], slope.shape[1]
        turned = weight.view(-1, channels, filters).transpose(1, 2).reshape(-1, channels)
        padded, of_x, of_weight = _pad(slope), [], []
        for part in _parts(back, filters):
            values = _rows(padded, back[part])
            of_x.append(values @ turned)
            of_weight.append(x[part].T @ values)
        total = torch.stack(of_weight).sum(0).view(channels, -1, filters)
        return torch.cat(of_x), total.transpose(0, 1).reshape_as(weight), None, None


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
        near = neighbour_table(cells, self.kernel)
        # filters of odd length have the offset −o at the place of o from the other end
        back = near.flip(1) if self.kernel % 2 else neighbour_table(cells, self.kernel, -1)
        for layer in self.layers:
            x = cells.keep(torch.relu(layer(x, near, back)))
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


def _parts(near: Tensor, channels: int) -> list[slice]:
    """Return parts of the cells whose neighbours' values fit the cache of a processor."""
    size = max(CHUNK // (near.shape[1] * channels), 1)
    return [slice(first, first + size) for first in range(0, max(len(near), 1), size)]


def _pad(x: Tensor) -> Tensor:
    """Return x (cells, channels) with a row of zeros, the values of cells not occupied."""
    return torch.cat([x, x.new_zeros((1, x.shape[1]))])


def _rows(padded: Tensor, near: Tensor) -> Tensor:
    """Return the values of all neighbours, (cells, neighbours · channels)."""
    table = padded.flatten() if padded.shape[1] == 1 else padded  # faster than rows of one value
    return table.index_select(0, near.flatten()).view(len(near), near.shape[1] * padded.shape[1])
