"""The k nearest points of the same event as a table, from a k-d tree or from blocks of distances.

In up to five dimensions a k-d tree is several times as fast as all distances for thousands of
points, and its memory grows with points and not with their square. In more dimensions a tree visits
most of its nodes, and distances are computed in blocks of rows. An export has all distances in one
matrix, since none of its shapes may depend on the lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bunchtrain.networks.layers.edges import INFINITY, distances_between, nearest_in_matrix
from bunchtrain.networks.layers.packing import buckets
from bunchtrain.physics.nearest import smallest

#: Largest number of dimensions in which a k-d tree is used.
TREE_DIMENSIONS = 5
#: Points of an event from which the tree is faster than a matrix of distances.
TREE_POINTS = 200
#: Distances in one block of rows.
BLOCK = 2**22


@dataclass(frozen=True)
class Neighbours:
    """Neighbours of each point.

    index  (points, k) neighbours of each point in the batch, any point where there is none.
    count  (points,) number of neighbours, which come first in `index`.
    """

    index: Tensor
    count: Tensor

    @property
    def mask(self) -> Tensor:
        """Whether there is a neighbour, (points, k)."""
        slot = torch.arange(self.index.shape[1], device=self.count.device)
        return slot < self.count[:, None]


def nearest_points(coordinates: Tensor, lengths: Tensor, k: int) -> Neighbours:
    """Return the k nearest other points of the same event, no gradient, in arbitrary order.

    The distance is Euclidean. An event of n ≤ k points has n − 1 neighbours of each. Which of two
    points at the same distance is a neighbour is arbitrary.

    coordinates  (points, dimension), packed.
    lengths      (batch,), points of each event.
    k            largest number of neighbours.
    """
    coordinates = coordinates.detach()
    if torch.compiler.is_exporting():
        found, exists = nearest_in_matrix(coordinates, lengths, k, ordered=True)
        return Neighbours(found, exists.sum(1))
    index = lengths.new_zeros(len(coordinates), k)
    count = (lengths - 1).clamp(min=0, max=k).repeat_interleave(lengths)
    use_tree = coordinates.shape[1] <= TREE_DIMENSIONS and coordinates.device.type == "cpu"
    is_large = lengths >= TREE_POINTS if use_tree else torch.zeros_like(lengths, dtype=torch.bool)
    if use_tree:
        for event in _events(lengths, is_large):
            index[event] = _by_tree(coordinates[event], k) + event.start
    for bucket in buckets(lengths.masked_fill(is_large, 0), shortest=k // 2):
        step = max(1, BLOCK // bucket.points.shape[1])
        for jets in torch.split(torch.arange(len(bucket.rows)), step):
            slots, points = bucket.points[jets], bucket.points[jets][bucket.mask[jets]]
            found = _in_blocks(coordinates[slots], bucket.mask[jets], k)
            jet = torch.arange(len(slots), device=slots.device)[:, None, None]
            index[points, : found.shape[2]] = slots[jet, found][bucket.mask[jets]]
    return Neighbours(index, count)


def _events(lengths: Tensor, chosen: Tensor) -> Iterator[slice]:
    """Yield the slice of points of each chosen event."""
    ends = lengths.cumsum(0)
    for end, size in zip(ends[chosen].tolist(), lengths[chosen].tolist(), strict=True):
        yield slice(end - size, end)


def _by_tree(coordinates: Tensor, k: int) -> Tensor:
    """Return the k nearest other points of one event, (points, k), existing ones first."""
    from scipy.spatial import cKDTree  # only where events are large

    points = coordinates.numpy().astype(np.float64)
    ranks = range(1, min(k + 1, len(points)) + 1)
    found = cKDTree(points).query(points, ranks)[1]
    own = found == np.arange(len(points))[:, None]
    # Of points at one place the tree may leave out the point itself; then the last one goes.
    own[~own.any(1), -1] = True
    others = torch.from_numpy(found[~own].reshape(len(points), -1))
    return torch.nn.functional.pad(others, (0, k - others.shape[1]))


def _in_blocks(coordinates: Tensor, mask: Tensor, k: int) -> Tensor:
    """Return the slots of the nearest other points, existing ones first: (jets, slots, ≤ k).

    coordinates  (jets, slots, dimension).
    mask         (jets, slots), whether there is a point.
    """
    jets, slots, _ = coordinates.shape
    own, step, found = torch.arange(slots, device=mask.device), max(1, BLOCK // (jets * slots)), []
    centred = coordinates - coordinates.mean(1, keepdim=True)
    for rows in torch.split(own, step):
        distances = distances_between(centred[:, rows], centred)
        distances.masked_fill_(~mask[:, None, :] | (own == rows[:, None]), INFINITY)
        found.append(smallest(distances, min(k, slots), ordered=True)[1])
    return torch.cat(found, 1)
