"""Base of representations by packed points of one group: point clouds, sequences, graphs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.physics.packed import Floats, Ints, jet_index, positions
from bunchtrain.representations._representation import PointRepresentation, Size
from bunchtrain.representations.preprocessing.points import Points, required_columns
from bunchtrain.representations.table import columns_of, evaluate_table
from bunchtrain.tables.expressions.expression import Expression

#: The seven features of ParticleNet (arXiv:1902.08570).
PARTICLE_NET = (
    "deta",
    "dphi",
    "log(pt)",
    "log(energy)",
    "log(pt / jet_pt)",
    "log(energy / jet_energy)",
    "dr",
)
COORDINATES = ["deta", "dphi"]
MOMENTA = ["energy", "px", "py", "pz"]
Normalise = Literal["standard", "robust", "none"]
#: Largest number of points with a momentum, and of those with coordinates, if it is not given.
MOST_PARTICLES, MOST_POINTS = 128, 10_000


class PackedPoints(PointRepresentation):
    """Points of one group: `features`, `coordinates`, `momenta`, `lengths`, perhaps `globals`.

    max_points   largest number of points; those of highest `order` are kept. If unset, it is 128,
                 and 10,000 with `coordinates`.
    order        expression by which the points are sorted in decreasing order; pt if unset, and the
                 order of the file for points without a momentum.
    jet          prefix of the columns of the jet; the sum of all points if unset.
    where        condition that a point must fulfil.
    globals      expressions over events, for the tensor `globals`.
    coordinates  expressions over points that are not particles, such as [x, y, z] of hits: the
                 tensor `coordinates`, in place of (Δη, Δφ), without `momenta`.
    """

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
    ) -> None:
        if not features:
            raise StudyError("at least one feature is needed, e.g. 'pt'")
        if limit is None:
            limit = MOST_POINTS if coordinates else MOST_PARTICLES
        if limit < 1:
            raise StudyError(f"the limit of points must be at least 1, got {limit}")
        self.group, self.jet, self.limit, self.normalise = group, jet, limit, normalise
        self.features = [Expression(text) for text in features]
        self.coordinates = [Expression(text) for text in coordinates or []]
        by = order or ("" if coordinates else "pt")
        self.order = Expression(by) if by else None
        self.where = None if where is None else Expression(where)
        self.globals = [Expression(text) for text in globals or []]
        self.normalised = ("features", "globals") if self.globals else ("features",)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        texts = [each.text for each in self.expressions()]
        columns = required_columns(
            texts, self.group, available, self.jet, has_momentum=not self.coordinates
        )
        return list(dict.fromkeys(columns + columns_of(self.globals, available)))

    def expressions(self) -> list[Expression]:
        """Return the expressions over points."""
        chosen = [one for one in (self.order, self.where) if one is not None]
        return [*self.features, *self.coordinates, *chosen]

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the sizes of one row of each tensor; `lengths` has one value per event."""
        sizes: dict[str, Size] = {name: len(columns) for name, columns in self.names.items()}
        return {**sizes, "lengths": ()}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the names of the columns of each tensor."""
        names = {"features": [each.text for each in self.features]}
        if self.coordinates:
            names["coordinates"] = [each.text for each in self.coordinates]
        else:
            names |= {"coordinates": COORDINATES, "momenta": MOMENTA}
        return {**names, "globals": [e.text for e in self.globals]} if self.globals else names

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return the packed tensors of a block of events; events without points have length 0."""
        points = self.points(events)
        return self.encode(events, points, self.select_points(points))

    def encode(self, events: ak.Array, points: Points, chosen: Ints) -> dict[str, Array]:
        """Return the packed arrays of the chosen points of a block of events."""
        # All points in their order need no copy.
        of: Ints | slice = chosen
        lengths = points.lengths
        if not self.is_ordered and len(chosen) == lengths.sum():
            of = slice(None)
        else:
            lengths = np.bincount(jet_index(lengths)[chosen], minlength=len(events))
        features = points.table(self.features)[of]
        tensors = {"features": features, **self._places(points, of), "lengths": lengths}
        if self.globals:
            tensors["globals"] = evaluate_table(self.globals, events)
        return tensors

    def _places(self, points: Points, chosen: Ints | slice) -> dict[str, Floats]:
        """Return the coordinates of the chosen points, and their momenta if they have some."""
        if self.coordinates:
            return {"coordinates": points.table(self.coordinates)[chosen]}
        return {
            "coordinates": np.stack([points[name][chosen] for name in COORDINATES], axis=1),
            "momenta": np.stack([points[name][chosen] for name in MOMENTA], axis=1),
        }

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return lists of the points' features, coordinates and momenta, and the `globals`.

        Points are in the order of the tensors. Columns that are only read by `order`, `where` or
        `jet` are not in the tensors.
        """
        names = self.names
        columns: dict[str, ak.Array] = {
            f"{self.group}_{name}": ak.unflatten(tensors[tensor][:, k], tensors["lengths"])
            for tensor in ("momenta", "coordinates", "features")
            for k, name in enumerate(names.get(tensor, ()))
        }
        of_events = enumerate(names.get("globals", ()))
        columns |= {name: tensors["globals"][:, k] for k, name in of_events}
        return ak.zip(columns, depth_limit=1)

    def point_index(self, events: ak.Array) -> tuple[Ints, Ints]:
        """Return which items of the group the points are, and the count of items of each event."""
        points = self.points(events)
        return self.select_points(points), points.lengths

    def points(self, events: ak.Array) -> Points:
        """Return all points of a block of events."""
        return Points(events, self.group, self.jet, has_momentum=not self.coordinates)

    def select_points(self, points: Points) -> Ints:
        """Return the indices of the selected points, in the order of the output."""
        chosen, lengths = self._passing(points)
        if not self.is_ordered and lengths.max(initial=0) <= self.limit:
            return chosen
        if self.order is None:
            ranked = np.arange(len(chosen))
        else:
            key = points.evaluate(self.order)[chosen]
            ranked = np.lexsort((-key, jet_index(lengths)))
        ranked = ranked[positions(lengths) < self.limit]
        return chosen[ranked if self.is_ordered else np.sort(ranked)]

    def _passing(self, points: Points) -> tuple[Ints, Ints]:
        """Return the indices of the points that fulfil `where`, and their count in each event."""
        if self.where is None:
            return np.arange(int(points.lengths.sum())), points.lengths
        passed = points.evaluate(self.where) > 0
        event = jet_index(points.lengths)[passed]
        return np.flatnonzero(passed), np.bincount(event, minlength=len(points.lengths))

    def limit_warning(self, blocks: Iterable[ak.Array], *, are_predicted: bool) -> str:
        """Return a sentence about the points that the limit leaves out, empty if there are none.

        Of particles of which nothing is predicted, it is the usual choice of the leading ones.

        blocks         of events.
        are_predicted  whether a target is of the points, their edges or their assignment.
        """
        if not (self.coordinates or are_predicted):
            return ""
        left = total = 0
        for events in blocks:
            lengths = self._passing(self.points(events))[1]
            left += int(np.maximum(lengths - self.limit, 0).sum())
            total += int(lengths.sum())
        if not left:
            return ""
        missing = ", which have no prediction" if are_predicted else ""
        return (
            f"{left:,} of {total:,} points of '{self.group}' ({100 * left / total:.2g} %) are left "
            f"out{missing}: raise '{self.limit_name}' of the representation, which is {self.limit}"
        )

    #: Whether points are sorted in decreasing order, or only truncated in it.
    is_ordered = False
    #: Name of the option that is the limit.
    limit_name = "max_points"
