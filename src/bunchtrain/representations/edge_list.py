"""Graphs whose edges are in the data, as lists of the indices of both points."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import DataError, nearest
from bunchtrain.parts.ranges import PointCount
from bunchtrain.physics.packed import Floats, Ints, jet_index
from bunchtrain.representations._edges import EdgePoints, EdgeValues
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations.preprocessing.points import Points, entry_of
from bunchtrain.tables.momentum_names import group_members


class EdgeList(EdgePoints):
    """A point cloud with the edges of the data, in their order.

    The columns `edge_first` and `edge_second` are lists of indices, from 0, of points in the group
    of the event; the other columns of the edges, `edge_x`, are `x` in `edge_features` and
    `edge_where`. Edges of points that `where` or `max_points` leave out are left out.

    edges  what the names of the columns of the edges begin with.

    Raises DataError, naming the entry, for an edge of a point that does not exist.
    """

    has_edge_columns = True

    def __init__(
        self,
        *,
        group: str,
        features: list[str],
        edges: str = "edge",
        max_points: PointCount = 10_000,
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
        self.prefix = edges

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        ends = self._ends(available)
        return list(dict.fromkeys([*super().columns(available), *ends]))

    def edge_columns(self, available: Collection[str]) -> dict[str, str]:
        """Return name in expressions → column of the edges."""
        return dict(group_members(self.prefix, available))

    def _ends(self, available: Collection[str]) -> tuple[str, str]:
        """Return the columns of the indices of both points."""
        members = self.edge_columns(available)
        for name in ("first", "second"):
            if name not in members:
                column = f"{self.prefix}_{name}"
                raise DataError(
                    f"the data have no column '{column}', the indices of points of edges"
                    f"{nearest(column, available)}"
                )
        return members["first"], members["second"]

    def _all_edges(self, events: ak.Array, lengths: Ints) -> tuple[Ints, Ints]:
        """Return both ends of all edges as indices of all points, and the count of each event.

        Raises DataError, naming the entry, if one does not exist.
        """
        names = self._ends(events.fields)
        counts = [ak.to_numpy(ak.num(events[name])) for name in names]
        if np.any(counts[0] != counts[1]):
            entry = entry_of(events, int(np.argmax(counts[0] != counts[1])))
            raise DataError(
                f"entry {entry}: '{names[0]}' and '{names[1]}' have lists of other lengths; give "
                "both points of each edge"
            )
        event, first = jet_index(counts[0]), np.cumsum(lengths) - lengths
        found = []
        for name in names:
            index = ak.to_numpy(ak.flatten(events[name]))
            if index.dtype.kind not in "iu":
                raise DataError(
                    f"'{name}' must be integers, the indices of points of the event, not "
                    f"{index.dtype}; write it as integers, or 'define' them by round()"
                )
            wrong = (index < 0) | (index >= lengths[event])
            if wrong.any():
                at = int(np.argmax(wrong))
                raise DataError(
                    f"entry {entry_of(events, int(event[at]))}: an edge names point {index[at]} in "
                    f"'{name}', but the group '{self.group}' has {lengths[event[at]]} there; "
                    "correct the indices, which count from 0"
                )
            found.append(index.astype(np.int64) + first[event])
        return np.stack(found), counts[0].astype(np.int64)

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return the lists of the points, of the indices of both ends of edges and their features.

        The indices count the points that are kept, and edges are sorted by event.
        """
        points, edges, lengths = super().decode(tensors), tensors["edges"], tensors["lengths"]
        event = jet_index(lengths)[edges[1]]
        order = np.argsort(event, kind="stable")
        counts = np.bincount(event, minlength=len(lengths))
        ends = (edges - (np.cumsum(lengths) - lengths)[event])[:, order]
        columns = {"first": ends[0], "second": ends[1]}
        for k, name in enumerate(self.names.get("edge_features", ())):
            columns[name] = tensors["edge_features"][order, k]
        for name, values in columns.items():
            points = ak.with_field(points, ak.unflatten(values, counts), f"{self.prefix}_{name}")
        return points

    def _kept(self, events: ak.Array, points: Points, chosen: Ints) -> tuple[Ints, Ints, Ints]:
        """Return edges between chosen points, their index among all edges, counts of all."""
        every, counts = self._all_edges(events, points.lengths)
        place = np.full(int(points.lengths.sum()), -1, np.int64)
        place[chosen] = np.arange(len(chosen))
        moved = place[every]
        kept = np.flatnonzero((moved >= 0).all(0))
        return moved[:, kept], kept, counts

    def edges(
        self, events: ak.Array, points: Points, chosen: Ints, tensors: Mapping[str, Array]
    ) -> tuple[Ints, dict[str, Floats]]:
        """Return the edges of the data, and the values of their columns."""
        edges, kept, counts = self._kept(events, points, chosen)
        columns = {}
        for name, column in self.edge_columns(events.fields).items():
            values = events[column]
            if values.ndim != 2:
                raise DataError(f"'{column}' of the edges must be a list for each event")
            if (wrong := np.flatnonzero(ak.to_numpy(ak.num(values)) != counts)).size:
                row = int(wrong[0])
                raise DataError(
                    f"entry {entry_of(events, row)}: '{column}' has {len(values[row])} values for "
                    f"{counts[row]} edges; give one for each edge"
                )
            columns[name] = ak.to_numpy(ak.flatten(values))[kept]
        return edges, columns

    def edge_index(self, events: ak.Array) -> tuple[Ints, Ints]:
        """Return which edges of the data the edges are, and the count of these of each event."""
        points = self.points(events)
        chosen = self.select_points(points)
        _, kept, counts = self._kept(events, points, chosen)
        if self.edge_where is not None:
            values = EdgeValues(points, chosen, *self.edges(events, points, chosen, {}))
            kept = kept[values.evaluate(self.edge_where) > 0]
        return kept, counts

    def edge_ends(self, events: ak.Array) -> tuple[ak.Array, ak.Array]:
        """Return the indices of both points of all edges, as lists of the events."""
        first, second = self._ends(events.fields)
        return events[first], events[second]
