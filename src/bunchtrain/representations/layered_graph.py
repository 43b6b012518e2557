"""Graphs of hits: edges between neighbouring layers of a detector, within a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import awkward as ak
import numpy as np
from pydantic import Field
from scipy.spatial import cKDTree

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import NUMBER, PointCount, Positive
from bunchtrain.physics.packed import Floats, Ints
from bunchtrain.physics.segments import directions, smallest_kinks
from bunchtrain.representations._edges import EdgePoints, EdgeValues
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations.preprocessing.points import Points
from bunchtrain.tables.expressions.expression import Expression

#: Angle between two edges in rad.
Kink = Annotated[float, Field(gt=0, le=3.2), NUMBER]


class LayeredGraph(EdgePoints):
    """Hits with edges from a lower to a higher layer, for tracks through the layers of a detector.

    Two hits i and k are joined if 1 ≤ layer_k − layer_i ≤ span, and each of their coordinates
    differs by at most the window. They are sorted by the hit k of the higher layer.

    layer        expression of the layer of a hit.
    coordinates  expressions in which a track moves little from layer to layer, e.g. its direction.
    window       largest difference of each coordinate.
    span         largest difference of the layers, 2 for one missing hit.
    kink         largest angle in rad between an edge and one that it continues or that continues
                 it, as triplets of hits of a straight track have; of the edges that fulfil
                 `edge_where` those without are left out. The smallest such angle of an edge is
                 `kink` in `edge_features`.
    place        expressions of x, y and z of a hit, for the angle.

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
        kink: Kink | None = None,
        place: tuple[str, str, str] = ("x", "y", "z"),
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
        self.layer, self.span, self.kink = Expression(layer), span, kink
        self.place = [] if kink is None else [Expression(text) for text in place]
        self.made_columns = () if kink is None else ("kink",)
        if kink is not None and self.edge_where is not None and "kink" in self.edge_where.columns:
            raise StudyError(
                "edge_where: 'kink' is of the edges that fulfil it; set the option 'kink' instead"
            )
        self.window = window if isinstance(window, list) else [window] * len(coordinates)
        if not coordinates or len(self.window) != len(coordinates):
            raise StudyError(
                f"window: there are {len(self.window)} of {len(coordinates)} coordinates; give one "
                "for each of them, or one for all"
            )

    def expressions(self) -> list[Expression]:
        """Return the expressions over points."""
        return [*super().expressions(), self.layer, *self.place]

    def edges(
        self, events: ak.Array, points: Points, chosen: Ints, tensors: Mapping[str, Array]
    ) -> tuple[Ints, dict[str, Floats]]:
        """Return the edges between the layers; they have no columns yet."""
        layer = points.evaluate(self.layer)[chosen].astype(np.float64)
        scaled = tensors["coordinates"].astype(np.float64) / np.array(self.window)
        return edges_of_layers(layer, scaled, tensors["lengths"], self.span), {}

    def refine(self, values: EdgeValues) -> EdgeValues:
        """Return the edges with a neighbour within the largest angle, and that as their `kink`."""
        if self.kink is None:
            return values
        place = [values.points.evaluate(one)[values.chosen] for one in self.place]
        first, second = values.edges
        direction = directions(np.stack(place, 1).astype(np.float64), first, second)
        kinks = smallest_kinks(direction, first, second, self.kink)
        kept = np.flatnonzero(np.isfinite(kinks))
        found = values.take(kept)
        return EdgeValues(found.points, found.chosen, found.edges, {"kink": kinks[kept]})


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
