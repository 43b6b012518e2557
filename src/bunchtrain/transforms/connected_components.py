"""Connected components: points that predicted edges link form an object."""

from __future__ import annotations

import awkward as ak
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bunchtrain.parts.ranges import PointCount, UnitFraction
from bunchtrain.transforms._clustering import Clustering, Floats, Ints, Predicted, ScoredEdges


class ConnectedComponents(Clustering):
    """Objects are the connected components of the graph of edges above a threshold.

    target      Target of edges; the only one if unset.
    threshold   Smallest probability of an edge.
    one_to_one  Of the edges that leave a point, and of those that enter one, keep only the most
                probable: tracks through the layers of a detector, whose edges go from layer to
                layer, do not branch then.
    min_points  Smallest number of points of an object.

    arXiv:2103.06995
    """

    reads = "edge"

    def __init__(
        self,
        *,
        target: str | None = None,
        threshold: UnitFraction = 0.5,
        one_to_one: bool = False,
        min_points: PointCount = 3,
    ) -> None:
        self.target, self.threshold = target, threshold
        self.one_to_one, self.least = one_to_one, min_points

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the component of each point, (points,)."""
        assert isinstance(predicted, ScoredEdges)
        edges = predicted
        kept = np.flatnonzero(edges.score >= self.threshold)  # NaN is not
        if self.one_to_one:
            kept = best_links(edges.first, edges.second, edges.score, kept)
        return components(edges.first[kept], edges.second[kept], int(counts.sum()))


def best_links(first: Ints, second: Ints, score: Floats, kept: Ints) -> Ints:
    """Return those of the edges `kept` that are the best of their first and of their second point.

    first, second  (edges,) points.
    score          (edges,) larger is better.
    """
    best = np.ones(len(kept), bool)
    for end in (first[kept], second[kept]):
        order = np.lexsort((-score[kept], end))
        is_best = np.ones(len(kept), bool)
        is_best[1:] = end[order][1:] != end[order][:-1]
        best[order[~is_best]] = False
    return kept[best]


def components(first: Ints, second: Ints, points: int) -> Ints:
    """Return the connected component of each point, (points,)."""
    ones = np.ones(len(first), bool)
    graph = coo_array((ones, (first, second)), shape=(points, points))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
