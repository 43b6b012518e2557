"""The k nearest neighbours of every point within its jet, without a loop over jets."""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.networks.layers.edges import Edges
from bunchtrain.networks.layers.packing import buckets, segment_ids

FAR = float("inf")


def nearest_neighbours(coordinates: Tensor, lengths: Tensor, k: int) -> Edges:
    """Return the edges from the k nearest other points of the same jet to each point.

    The distance is Euclidean; a point is no neighbour of its own. A jet of n ≤ k points has
    n − 1 neighbours a point, and a lone point has none.

    Args:
        coordinates: (points, dimension), packed.
        lengths: (batch,), points of each jet.
        k: neighbours wanted.
    """
    coordinates = coordinates.detach()
    if torch.compiler.is_exporting():
        return _among_all(coordinates, lengths, k)
    senders = lengths.new_zeros(len(coordinates), k)
    found = torch.zeros_like(senders, dtype=torch.bool)
    for bucket in buckets(lengths, shortest=k // 2):
        apart = squared_distances(coordinates[bucket.points])
        apart.masked_fill_(~bucket.real[:, None, :], FAR)
        apart.diagonal(dim1=1, dim2=2).fill_(FAR)
        nearest, slot = apart.topk(min(k, apart.shape[2]), largest=False, sorted=False)
        width, points = slot.shape[2], bucket.points[bucket.real]
        jet = torch.arange(len(slot), device=slot.device)[:, None, None]
        senders[points, :width] = bucket.points[jet, slot][bucket.real]
        found[points, :width] = (nearest < FAR)[bucket.real]
    degree = found.sum(1)
    receiver = torch.arange(len(degree), device=degree.device).repeat_interleave(degree)
    return Edges(senders[found], receiver, degree)


def squared_distances(points: Tensor) -> Tensor:
    """Return |x_i − x_j|² between the points of each jet: (jets, slots, slots)."""
    if points.shape[-1] <= 3:  # differences are exact to rounding, and as quick in few dimensions
        columns = points.unbind(-1)
        return torch.stack([(x[:, :, None] - x[:, None, :]).square() for x in columns]).sum(0)
    centred = points - points.mean(1, keepdim=True)
    square = centred.square().sum(-1)
    return torch.baddbmm(square[:, None, :], centred, centred.mT, alpha=-2) + square[:, :, None]


def _among_all(coordinates: Tensor, lengths: Tensor, k: int) -> Edges:
    """Return k edges a point, some not real: every pair of the batch is compared.

    No shape depends on the lengths, as exporting to ONNX wants it.
    """
    points = coordinates.shape[0]
    jet = segment_ids(lengths, points)
    number = torch.arange(points, device=jet.device)
    other = (jet[:, None] != jet) | (number[:, None] == number)
    apart = squared_distances(coordinates[None])[0].masked_fill(other, FAR)
    nobody = apart.new_full((points, k), FAR)
    nearest, sender = torch.cat([apart, nobody], 1).topk(k, largest=False, sorted=False)
    real = nearest < FAR
    receiver = number[:, None].expand(points, k).reshape(-1)
    return Edges(torch.where(real, sender, 0).view(-1), receiver, real.sum(1), real.view(-1))
