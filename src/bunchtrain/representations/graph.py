"""Graphs: point clouds with edges between nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.parts.ranges import PointCount
from bunchtrain.physics.packed import MEMORY, Floats, Ints, equal_multiplicity
from bunchtrain.representations._edges import EdgePoints
from bunchtrain.representations._packed import PARTICLE_NET, Normalise
from bunchtrain.representations.preprocessing.points import Points


class Graph(EdgePoints):
    """A point cloud with `edges` (2, edges) from the k nearest neighbours to each point.

    Neighbours are nearest in (Δη, Δφ), or in the coordinates; row 0 holds the neighbours, row 1 the
    points whose neighbours they are.

    k  number of nearest neighbours.

    arXiv:1801.07829
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = list(PARTICLE_NET),  # noqa: B006 - never changed
        k: PointCount = 16,
        max_points: PointCount | None = None,
        order: str | None = None,
        jet: str | None = None,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
        coordinates: list[str] | None = None,
        edge_features: list[str] | None = None,
        edge_where: str | None = None,
    ) -> None:
        super().__init__(
            group, features, max_points, order, jet, where, globals, normalise, coordinates,
            edge_features, edge_where,
        )  # fmt: skip
        self.k = k

    def edges(
        self, events: ak.Array, points: Points, chosen: Ints, tensors: Mapping[str, Array]
    ) -> tuple[Ints, dict[str, Floats]]:
        """Return the edges from the nearest neighbours; they have no columns of their own."""
        return nearest_neighbours(tensors["coordinates"], tensors["lengths"], self.k), {}


def nearest_neighbours(coordinates: Array, lengths: Array, k: int, memory: float = MEMORY) -> Ints:
    """Return the edges (2, edges) from the k nearest neighbours (row 0) to each point (row 1).

    `coordinates` are (points, dimension) and `lengths` (jets,). Neighbours are points of the same
    jet, never the point itself; a jet of k points or fewer has all of its pairs. The edges are
    sorted by target point, the nearest neighbour first, at equal distance that of the lowest index.
    """
    import torch  # whose selection of the smallest is several times as fast as NumPy's

    from bunchtrain.physics.nearest import smallest

    sources, targets = [], []
    for _, points in equal_multiplicity(lengths, lambda n: 24 * n * n, memory, least=2):
        count = min(k, points.shape[1] - 1)
        distance = torch.from_numpy(_squared_distances(coordinates[points]))
        distance.diagonal(dim1=1, dim2=2).fill_(torch.inf)
        near = smallest(distance, count, ordered=True)[1].numpy()  # (jets, particle, neighbour)
        sources.append((near + points[:, :1, None]).ravel())
        targets.append(np.repeat(points.ravel(), count))
    if not sources:
        return np.zeros((2, 0), np.int64)
    edges = np.stack([np.concatenate(sources), np.concatenate(targets)])
    return edges[:, np.argsort(edges[1], kind="stable")]


def _squared_distances(x: Array) -> Array:
    # not |a|² + |b|² − 2ab, which loses precision for close points
    total = np.zeros((x.shape[0], x.shape[1], x.shape[1]), x.dtype)
    for axis in np.moveaxis(x, -1, 0):
        total += (axis[:, :, None] - axis[:, None, :]) ** 2
    return total
