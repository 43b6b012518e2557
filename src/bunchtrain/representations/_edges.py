"""Base of representations with edges between the points: features of edges, and a condition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import DataError
from bunchtrain.physics.packed import Floats, Ints
from bunchtrain.representations._packed import Normalise, PackedPoints
from bunchtrain.representations._representation import Size
from bunchtrain.representations.preprocessing.points import Points, required_columns
from bunchtrain.tables.expressions.expression import Expression, require_numbers

#: What the names of values of the two points of an edge begin with.
ENDS = ("first_", "second_")


class EdgePoints(PackedPoints):
    """Packed points with `edges` (2, edges), and `edge_features` (edges, feature) if there are any.

    edge_features  expressions over the columns of edges and the values of both of their points:
                   `second_x - first_x`.
    edge_where     condition that an edge must fulfil.
    """

    #: Columns of edges that it makes itself.
    made_columns: tuple[str, ...] = ()

    def __init__(
        self,
        group: str,
        features: list[str],
        limit: int | None,
        order: str | None = None,
        jet: str | None = None,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
        coordinates: list[str] | None = None,
        edge_features: list[str] | None = None,
        edge_where: str | None = None,
    ) -> None:
        super().__init__(group, features, limit, order, jet, where, globals, normalise, coordinates)
        self.edge_features = [Expression(text) for text in edge_features or []]
        self.edge_where = None if edge_where is None else Expression(edge_where)
        self.normalised += ("edge_features",) if self.edge_features else ()

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        found, own = super().columns(available), self.edge_columns(available)
        conditions = [self.edge_where] if self.edge_where is not None else []
        names = set().union(*(each.columns for each in [*self.edge_features, *conditions]))
        texts = [_of_point(name) for name in sorted(names - set(own) - set(self.made_columns))]
        points = required_columns(
            texts, self.group, available, self.jet, has_momentum=not self.coordinates
        )
        used = [own[name] for name in sorted(names & set(own))]
        return list(dict.fromkeys([*found, *points, *used]))

    def edge_columns(self, available: Collection[str]) -> dict[str, str]:
        """Return name in expressions → column of the edges, none where they are not in the data."""
        return {}

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the sizes of the point cloud's tensors, and 2 for an edge."""
        return {**super().sizes, "edges": 2}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the names of the columns of each tensor."""
        own = {"edge_features": [each.text for each in self.edge_features]}
        return super().names | (own if self.edge_features else {})

    def encode(self, events: ak.Array, points: Points, chosen: Ints) -> dict[str, Array]:
        """Return the packed tensors of the chosen points of a block of events with their edges."""
        tensors = super().encode(events, points, chosen)
        edges, columns = self.edges(events, points, chosen, tensors)
        values = EdgeValues(points, chosen, edges, columns)
        if self.edge_where is not None:
            kept = np.flatnonzero(values.evaluate(self.edge_where) > 0)
            values = values.take(kept)
        values = self.refine(values)
        tensors["edges"] = values.edges
        if self.edge_features:
            table = [values.evaluate(each) for each in self.edge_features]
            tensors["edge_features"] = np.stack(table, axis=1)
        return tensors

    @abstractmethod
    def edges(
        self, events: ak.Array, points: Points, chosen: Ints, tensors: Mapping[str, Array]
    ) -> tuple[Ints, dict[str, Floats]]:
        """Return the edges (2, edges), and name → values of their columns (edges,).

        events   block of events.
        points   all points of the block.
        chosen   (points,) those of the tensors, to whose indices the edges refer.
        tensors  of the points.
        """

    def refine(self, values: EdgeValues) -> EdgeValues:
        """Return the edges that stay of those that fulfil the condition, with further columns."""
        return values


class EdgeValues:
    """Values of edges by name: their own columns, and `first_x` and `second_x` of their points.

    points   all points of a block.
    chosen   (points,) indices of those that the edges refer to.
    edges    (2, edges).
    columns  name → (edges,).
    """

    def __init__(
        self, points: Points, chosen: Ints, edges: Ints, columns: Mapping[str, Floats]
    ) -> None:
        self.points, self.chosen, self.edges, self.columns = points, chosen, edges, columns

    def __getitem__(self, name: str) -> Floats:
        if name in self.columns:
            return self.columns[name]
        end = next(k for k, prefix in enumerate(ENDS) if name.startswith(prefix))
        values: Floats = self.points[name.removeprefix(ENDS[end])][self.chosen][self.edges[end]]
        return values

    def evaluate(self, expression: Expression) -> Floats:
        """Return the value of an expression for every edge, (edges,) float32."""
        with np.errstate(all="ignore"):  # `finite` checks for NaN and infinity
            found = expression(ak.zip({name: self[name] for name in sorted(expression.columns)}))
        require_numbers(found, expression.text)
        return np.asarray(ak.to_numpy(found), dtype=np.float32)

    def take(self, rows: Ints) -> EdgeValues:
        """Return the edges of these indices."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return EdgeValues(self.points, self.chosen, self.edges[:, rows], columns)


def _of_point(name: str) -> str:
    """Return the name of a value of a point of an edge, x of `first_x`."""
    for prefix in ENDS:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    raise DataError(
        f"'{name}' is no value of an edge: write 'first_{name}' or 'second_{name}' for that of one "
        "of its points"
    )
