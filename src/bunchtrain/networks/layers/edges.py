"""Edges between packed points: the k nearest neighbours, and sums along edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.networks.layers.packing import buckets, segment_ids, starts
from bunchtrain.physics.nearest import smallest

#: Elements in a chunk of a tensor along the edges, so that some chunks fit in a CPU's cache.
CHUNK = 2**17
INFINITY = float("inf")
#: Dimensions up to which squares of differences are summed one by one.
FEW = 3


@dataclass(frozen=True)
class Edges:
    """Directed edges from a sending point j to a receiving point i, sorted by i.

    sender    (edges,) index of point j.
    receiver  (edges,) index of point i.
    degree    (points,) number of edges that each point receives.
    mask      (edges,) False for padding (in exported networks), or None without padding.
    """

    sender: Tensor
    receiver: Tensor
    degree: Tensor
    mask: Tensor | None = None

    @cached_property
    def first(self) -> Tensor:
        """Index of the first edge of each receiving point: (points,)."""
        return starts(self.degree)

    @cached_property
    def index(self) -> Tensor:
        """Index of each edge: (edges,)."""
        return torch.arange(len(self.sender), device=self.sender.device)

    @cached_property
    def by_sender(self) -> Tensor:
        """Indices of the edges, sorted by the sending point: (edges,)."""
        return self.sender.argsort(stable=True)

    @cached_property
    def sent_degree(self) -> Tensor:
        """Number of edges that each point sends: (points,)."""
        return torch.bincount(self.sender, minlength=len(self.degree))

    @cached_property
    def first_sent(self) -> Tensor:
        """Position in `by_sender` of the first edge of each sending point: (points,)."""
        return starts(self.sent_degree)

    @cached_property
    def endpoints(self) -> tuple[Tensor, Tensor]:
        """Both points of every edge in a table [senders; receivers]; the offset of each edge."""
        both = torch.stack([self.sender, self.receiver + len(self.degree)], 1).view(-1)
        return both, torch.arange(0, len(both), 2, device=both.device)

    def sum_endpoints(self, table: Tensor, part: slice) -> Tensor:
        """Return P_j + Q_i for some edges, (edges, channel), from [P; Q] (2 points, channel)."""
        both, offset = self.endpoints
        members = both[2 * part.start : 2 * part.stop]
        return bag_sum(table, members, offset[: part.stop - part.start])

    def chunks(self, width: int) -> list[tuple[slice, slice]]:
        """Return slices of points and of their edges that fit in the cache for `width` channels."""
        points, edges = len(self.degree), len(self.sender)
        step = max(1, CHUNK // width * points // max(edges, 1))
        bounds = [*self.first[::step].tolist(), edges]
        return [
            (slice(k * step, (k + 1) * step), slice(begin, end))
            for k, (begin, end) in enumerate(pairwise(bounds))
        ]


def bag_sum(values: Tensor, members: Tensor, offsets: Tensor) -> Tensor:
    """Return the sums of values (rows, channel) over bags of rows: (bags, channel).

    `members` holds the row indices of all bags, `offsets` (bags,) where each bag begins in it.
    """
    if not len(members):
        return values.new_zeros(len(offsets), values.shape[1])
    return functional.embedding_bag(members, values, offsets, mode="sum")


def nearest_neighbours(coordinates: Tensor, lengths: Tensor, k: int) -> Edges:
    """Return the edges from the k nearest other points of the same jet to each point.

    The distance is Euclidean; of points at equal distance those of the lowest index are neighbours,
    whatever else is in the batch. A point is no neighbour of itself. In a jet of n ≤ k points each
    has n − 1 neighbours.

    coordinates  (points, dimension), packed.
    lengths      (batch,), points of each jet.
    k            maximum number of neighbours.
    """
    coordinates = coordinates.detach()
    if torch.compiler.is_exporting():
        return _nearest_in_batch(coordinates, lengths, k)
    senders = lengths.new_zeros(len(coordinates), k)
    mask = torch.zeros_like(senders, dtype=torch.bool)
    for bucket in buckets(lengths, shortest=k // 2):
        distances = squared_distances(coordinates[bucket.points])
        distances.masked_fill_(~bucket.mask[:, None, :], INFINITY)
        distances.diagonal(dim1=1, dim2=2).fill_(INFINITY)
        nearest, slot = smallest(distances, min(k, distances.shape[2]))
        width, points = slot.shape[2], bucket.points[bucket.mask]
        jet = torch.arange(len(slot), device=slot.device)[:, None, None]
        senders[points, :width] = bucket.points[jet, slot][bucket.mask]
        mask[points, :width] = (nearest < INFINITY)[bucket.mask]
    degree = mask.sum(1)
    receiver = torch.arange(len(degree), device=degree.device).repeat_interleave(degree)
    return Edges(senders[mask], receiver, degree)


def squared_distances(points: Tensor) -> Tensor:
    """Return |x_i − x_j|² between the points of each jet: (jets, slots, slots)."""
    few = points.shape[-1] <= FEW
    centred = points if few else points - points.mean(1, keepdim=True)
    return distances_between(centred, centred)


def distances_between(first: Tensor, second: Tensor) -> Tensor:
    """Return |x_i − y_j|², (jets, i, j), from (jets, i, dimension) and (jets, j, dimension).

    In more than `FEW` dimensions rounding is small if the points of a jet are around 0.
    """
    if first.shape[-1] <= FEW:  # differences are exact to rounding, and as fast in few dimensions
        pairs = zip(first.unbind(-1), second.unbind(-1), strict=True)
        return torch.stack([(x[:, :, None] - y[:, None, :]).square() for x, y in pairs]).sum(0)
    square = second.square().sum(-1)
    own = square if first is second else first.square().sum(-1)
    return torch.baddbmm(square[:, None, :], first, second.mT, alpha=-2) + own[:, :, None]


def _nearest_in_batch(coordinates: Tensor, lengths: Tensor, k: int) -> Edges:
    """Return k edges for each point, some masked, from the distances of all pairs of the batch."""
    sender, mask = nearest_in_matrix(coordinates, lengths, k, ordered=False)
    index = torch.arange(mask.shape[0], device=mask.device)
    receiver = index[:, None].expand(mask.shape[0], k).reshape(-1)
    return Edges(sender.view(-1), receiver, mask.sum(1), mask.view(-1))


def nearest_in_matrix(
    coordinates: Tensor, lengths: Tensor, k: int, *, ordered: bool
) -> tuple[Tensor, Tensor]:
    """Return k other points of the same jet for each, (points, k), and which of them exist.

    No shape depends on the lengths, as the export to ONNX requires. Its operator TopK takes the
    lowest index among equal distances. The index is 0 where there is no point.

    ordered  whether the nearest are first, and those that do not exist last.
    """
    points = coordinates.shape[0]
    jet = segment_ids(lengths, points)
    index = torch.arange(points, device=jet.device)
    other = (jet[:, None] != jet) | (index[:, None] == index)
    distances = squared_distances(coordinates[None])[0].masked_fill(other, INFINITY)
    padding = distances.new_full((points, k), INFINITY)
    nearest, found = torch.cat([distances, padding], 1).topk(k, largest=False, sorted=ordered)
    mask = nearest < INFINITY
    return torch.where(mask, found, 0), mask
