"""Walk-through: simple components of a graph are objects, of others the most probable paths."""

from __future__ import annotations

import awkward as ak
import numpy as np

from bunchtrain.parts.ranges import PointCount, UnitFraction
from bunchtrain.physics.packed import positions
from bunchtrain.transforms._clustering import Clustering, Floats, Ints, Predicted, ScoredEdges
from bunchtrain.transforms.connected_components import components

#: Probabilities are at least this far from 0 and 1 in logarithms.
_EDGE = 1e-6


class WalkThrough(Clustering):
    """Objects are components of probable edges that do not branch, else paths in the components.

    Edges are directed, such as those from inside to outside. In a component that branches the path
    with the largest sum of

        w = log(p/(1 − p)) − log(t/(1 − t)),

    p the probability of an edge and t the threshold, is an object; its points are removed, and so
    on with what is left. Points of cycles, and those behind them, are on no path.

    target      Target of edges; the only one if unset.
    threshold   Smallest probability of an edge.
    min_points  Smallest number of points of an object.

    arXiv:2103.06995
    """

    reads = "edge"

    def __init__(
        self,
        *,
        target: str | None = None,
        threshold: UnitFraction = 0.5,
        min_points: PointCount = 3,
    ) -> None:
        self.target, self.threshold, self.least = target, threshold, min_points

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the component or the path of each point, (points,), −1 for none."""
        assert isinstance(predicted, ScoredEdges)
        kept = np.flatnonzero(predicted.score >= self.threshold)  # NaN is not
        edges = np.stack([predicted.first, predicted.second])[:, kept]
        weight = _log_odds(predicted.score[kept]) - _log_odds(np.array(self.threshold))
        return walk_through(edges, np.maximum(weight, _EDGE), int(counts.sum()), self.least)


def _log_odds(score: Floats) -> Floats:
    bounded = np.clip(score.astype(np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(bounded / (1 - bounded)))


def walk_through(edges: Ints, weight: Floats, points: int, least: int) -> Ints:
    """Return the object of each point, (points,), −1 for none.

    edges   (2, edges), directed.
    weight  (edges,), above 0.
    points  number of points.
    least   smallest number of points of an object; smaller components are left as they are.
    """
    found, first_label = np.full(points, -1, np.int64), 0
    at = np.arange(points)  # the points that have edges, which the edges count
    while edges.shape[1]:
        used, index = np.unique(edges, return_inverse=True)
        at, edges = at[used], index.reshape(edges.shape)
        label = components(edges[0], edges[1], len(at))
        size = np.bincount(label)
        leaving, entering = (np.bincount(end, minlength=len(at)) for end in edges)
        branches = np.zeros(len(size), bool)
        branches[label[(leaving > 1) | (entering > 1)]] = True
        taken = ~branches[label]
        found[at[taken]] = first_label + label[taken]
        first_label += len(size)
        # A path in a small component cannot have enough points.
        rest = (branches & (size >= least))[label[edges[0]]]
        path, edges, weight = best_paths(edges[:, rest], weight[rest], label, len(at))
        on_path = path >= 0
        found[at[on_path]] = first_label + path[on_path]
        first_label += len(size)
        free = ~(on_path[edges[0]] | on_path[edges[1]])
        edges, weight = edges[:, free], weight[free]
    return found


def best_paths(edges: Ints, weight: Floats, label: Ints, points: int) -> tuple[Ints, Ints, Floats]:
    """Return the label of the path of largest weight of each component, −1 off the paths.

    Also the edges and weights without those of cycles, which are on no path.

    label  (points,) component of each point.
    """
    level = levels(edges, points)
    acyclic = (level[edges] >= 0).all(0)
    edges, weight = edges[:, acyclic], weight[acyclic]
    total, before = np.zeros(points), np.full(points, -1, np.int64)
    order = np.lexsort((edges[1], level[edges[1]]))
    bounds = np.flatnonzero(np.diff(level[edges[1]][order])) + 1
    for rows in np.split(order, bounds):
        first, second = edges[:, rows]
        value = total[first] + weight[rows]
        best = np.lexsort((value, second))  # the largest of each point last
        last = np.append(second[best][1:] != second[best][:-1], True)[: len(best)]
        total[second[best[last]]] = value[best[last]]
        before[second[best[last]]] = first[best[last]]
    ends = np.unique(edges[1])
    ranked = ends[np.lexsort((total[ends], label[ends]))]
    at = ranked[np.append(label[ranked][1:] != label[ranked][:-1], True)[: len(ranked)]]
    path = np.full(points, -1, np.int64)
    while len(at):
        path[at] = label[at]
        at = before[at]
        at = at[at >= 0]
    return path, edges, weight


def levels(edges: Ints, points: int) -> Ints:
    """Return the number of edges of the longest path to each point, (points,), −1 in cycles."""
    level, waiting = np.full(points, -1, np.int64), np.bincount(edges[1], minlength=points)
    order = np.argsort(edges[0], kind="stable")
    begin = np.searchsorted(edges[0][order], np.arange(points + 1))
    ready, depth = np.flatnonzero(waiting == 0), 0
    while len(ready):
        level[ready] = depth
        number = begin[ready + 1] - begin[ready]
        second = edges[1][order[np.repeat(begin[ready], number) + positions(number)]]
        waiting -= np.bincount(second, minlength=points)
        ready = np.unique(second)
        ready = ready[waiting[ready] == 0]
        depth += 1
    return level
