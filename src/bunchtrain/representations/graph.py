"""Graphs: point clouds with edges between nearest neighbours."""

from __future__ import annotations

import awkward as ak
from torch import Tensor

from bunchtrain.representations._packed import PARTICLE_NET, Normalise, PackedPoints
from bunchtrain.representations._representation import Size
from bunchtrain.representations.preprocessing.neighbours import nearest_neighbours


class Graph(PackedPoints):
    """A point cloud and `edges` (2, edges) from the k nearest neighbours of each point to it.

    Neighbours are nearest in (Δη, Δφ); row 0 holds the neighbours, row 1 the points whose
    neighbours they are.

    k  number of nearest neighbours.

    arXiv:1801.07829
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = list(PARTICLE_NET),  # noqa: B006 - never changed
        k: int = 16,
        max_points: int = 128,
        order: str = "pt",
        jet: str | None = None,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
    ) -> None:
        super().__init__(group, features, max_points, order, jet, where, globals, normalise)
        self.k = k

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the sizes of the point cloud's tensors, and 2 for an edge."""
        return {**super().sizes, "edges": 2}

    def __call__(self, events: ak.Array) -> dict[str, Tensor]:
        """Return the packed tensors of a block of events with their edges."""
        tensors = super().__call__(events)
        edges = nearest_neighbours(tensors["coordinates"], tensors["lengths"], self.k)
        return {**tensors, "edges": edges}
