"""Mean and maximum over neighbours, weighted by exp(−d²), with the gradient in chunks.

Tensors along all pairs of a point and a neighbour exist for one chunk of points at a time, forwards
and backwards: the memory of a layer grows with points and not with pairs. Only indices are kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bunchtrain.networks.layers.neighbour_table import Neighbours

#: Elements in a chunk of a tensor along pairs, so that some chunks fit in a CPU's cache.
CHUNK = 2**17


def gather_neighbours(space: Tensor, features: Tensor, near: Neighbours) -> Tensor:
    """Return mean and maximum of w_ij f_j over neighbours j of each point i: (points, 2 feature).

        w_ij = exp(−|s_i − s_j|²);   0 where there is no neighbour.

    space     (points, dimension), coordinates s.
    features  (points, feature), f.
    near      the neighbours.
    """
    if torch.compiler.is_compiling():
        weight = torch.exp(-(space[:, None] - space[near.index]).square().sum(2))
        return _reduce(weight[:, :, None] * features[near.index], near)[0]
    found: Tensor = _Gather.apply(space, features, near.index, near.count)  # type: ignore[no-untyped-call]
    return found


def _reduce(sent: Tensor, near: Neighbours) -> tuple[Tensor, Tensor]:
    """Return mean and maximum, (points, 2 feature), and the place of the maximum, of (…, k, …)."""
    mask = near.mask[:, :, None]
    has_any = (near.count > 0)[:, None]
    mean = sent.masked_fill(~mask, 0.0).sum(1) / near.count.clamp(min=1)[:, None]
    largest, place = sent.masked_fill(~mask, float("-inf")).max(1)
    return torch.cat([mean, torch.where(has_any, largest, 0.0)], 1), place


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, space: Tensor, features: Tensor, index: Tensor, count: Tensor) -> Tensor:
        places, found = [], []
        for rows in _chunks(index, features.shape[1]):
            near = Neighbours(index[rows], count[rows])
            weight, _ = _weights(space, rows, near)
            value, place = _reduce(weight[:, :, None] * _take(features, near.index), near)
            found.append(value)
            places.append(place.to(torch.int16 if index.shape[1] < 2**15 else torch.int64))
        ctx.save_for_backward(space, features, index, count, torch.cat(places))
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        space, features, index, count, places = ctx.saved_tensors
        of_space, of_features = torch.zeros_like(space), torch.zeros_like(features)
        width = features.shape[1]
        for rows in _chunks(index, width):
            near = Neighbours(index[rows], count[rows])
            weight, step = _weights(space, rows, near)
            of_mean, of_largest = torch.split(gradient[rows], width, 1)
            of_mean = of_mean / near.count.clamp(min=1)[:, None]
            of_largest = of_largest * (near.count > 0)[:, None]
            sent = of_mean[:, None, :] * near.mask[:, :, None]
            sent.scatter_add_(1, places[rows].long()[:, None], of_largest[:, None])
            of_weight = (sent * _take(features, near.index)).sum(2)
            flat = near.index.reshape(-1)
            of_features.index_add_(0, flat, (weight[:, :, None] * sent).view(-1, width))
            moved = (2 * weight * of_weight)[:, :, None] * step  # −∂w/∂s_i · ∂L/∂w
            of_space[rows] -= moved.sum(1)
            of_space.index_add_(0, flat, moved.view(-1, space.shape[1]))
        return of_space, of_features, None, None


def _chunks(index: Tensor, width: int) -> list[slice]:
    """Return slices of the points whose pairs fit in a chunk for `width` features."""
    points, k = index.shape
    step = max(1, CHUNK // (k * width))
    return [slice(first, min(first + step, points)) for first in range(0, max(points, 1), step)]


def _take(values: Tensor, index: Tensor) -> Tensor:
    """Return the rows (points, k, column) of values (rows, column)."""
    return values.index_select(0, index.reshape(-1)).view(*index.shape, values.shape[1])


def _weights(space: Tensor, rows: slice, near: Neighbours) -> tuple[Tensor, Tensor]:
    """Return w, (points, k), 0 without a neighbour, and s_i − s_j, (points, k, dimension)."""
    step = space[rows][:, None] - _take(space, near.index)
    return torch.exp(-step.square().sum(2)).masked_fill(~near.mask, 0.0), step
