"""Graphs of hits: edges between neighbouring layers of a detector, within a window."""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np
from scipy.spatial import cKDTree

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import PointCount, Positive
from bunchtrain.physics.packed import Floats, Ints
from bunchtrain.representations._edges import EdgePoints
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations.preprocessing.points import Points
from bunchtrain.tables.expressions.expression import Expression


class LayeredGraph(EdgePoints):
    """Hits with edges from a lower to a higher layer, for tracks through the layers of a detector.

    Two hits i and k are joined if 1 ≤ layer_k − layer_i ≤ span, and each of their coordinates
    differs by at most the window. They are sorted by the hit k of the higher layer.

    layer        expression of the layer of a hit.
    coordinates  expressions in which a track moves little from layer to layer, e.g. its direction.
    window       largest difference of each coordinate.
    span         largest difference of the layers, 2 for one missing hit.

    arXiv:2103.06995
    """

    def __init__(
        self,
        *,
        group: str,
        features: list[str],
        layer: str,
        coordinates: list[str],
        window: Positive | list[Positive],
        span: PointCount = 1,
        max_points: PointCount = 10_000,
        order: str | None = None,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
        edge_features: list[str] | None = None,
        edge_where: str | None = None,
    ) -> None:
        super().__init__(
            group, features, max_points, order, None, where, globals, normalise, coordinates,
            edge_features, edge_where,
        )  # fmt: skip
        self.layer, self.span = Expression(layer), span
        self.window = window if isinstance(window, list) else [window] * len(coordinates)
        if not coordinates or len(self.window) != len(coordinates):
            raise StudyError(
                f"window: there are {len(self.window)} of {len(coordinates)} coordinates; give one "
                "for each of them, or one for all"
            )

    def expressions(self) -> list[Expression]:
        """Return the expressions over points."""
        return [*super().expressions(), self.layer]

    def edges(
        self, events: ak.Array, points: Points, chosen: Ints, tensors: Mapping[str, Array]
    ) -> tuple[Ints, dict[str, Floats]]:
        """Return the edges between the layers; they have no columns of their own."""
        layer = points.evaluate(self.layer)[chosen].astype(np.float64)
        scaled = tensors["coordinates"].astype(np.float64) / np.array(self.window)
        return edges_of_layers(layer, scaled, tensors["lengths"], self.span), {}


def edges_of_layers(layer: Floats, scaled: Floats, lengths: Ints, span: int) -> Ints:
    """Return the pairs of points of an event that differ by 1 to `span` layers, (2, edges).

    layer    (points,) of each point.
    scaled   (points, coordinate); those of a pair differ by at most 1 in each.
    lengths  (events,) points of each event.
    span     largest difference of the layers.
    """
    finite = np.isfinite(scaled).all(1) & np.isfinite(layer)
    event = np.repeat(np.arange(len(lengths)), lengths)
    rows = np.flatnonzero(finite)
    # Neighbours in the largest of the differences; those of two events are 2 apart.
    place = np.column_stack([2.0 * event, layer / (span + 0.5), scaled])[rows]
    if not len(place):
        return np.zeros((2, 0), np.int64)
    pairs = rows[cKDTree(place).query_pairs(1.0, p=np.inf, output_type="ndarray")].T
    upward = layer[pairs[0]] < layer[pairs[1]]
    first, second = np.where(upward, pairs[0], pairs[1]), np.where(upward, pairs[1], pairs[0])
    joined = layer[second] - layer[first] >= 1
    first, second = first[joined], second[joined]
    return np.stack([first, second])[:, np.lexsort((first, second))]
