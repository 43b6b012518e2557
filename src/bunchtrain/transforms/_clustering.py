"""Base of transforms that assign points to objects, such as hits to tracks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.targets import Target

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredEdges:
    """Edges of a block of events with a score each, NaN for one that was left out.

    first, second  (edges,) indices of their points among all points of the block.
    score          (edges,) probability that both points belong together.
    """

    first: Ints
    second: Ints
    score: Floats


#: Predictions of edges, or of points by label; None for a transform that reads none.
Predicted = ScoredEdges | Mapping[str, Floats] | None


class Clustering(ABC):
    """Assigns the points of events to objects.

    least  smallest number of points of an object.
    """

    #: Target whose predictions it reads, the only one if None.
    target: str | None = None
    #: What it reads predictions of: points, edges, or none, but columns of events.
    reads: ClassVar[Literal["point", "edge"] | None] = None
    least: int = 1

    @property
    def name(self) -> str:
        """Name of the part: that of its file."""
        return type(self).__module__.rpartition(".")[2]

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns of events that it reads; DataError names the nearest to a missing."""
        return self.require(self.needs(), available)

    def needs(self) -> list[str]:
        """Return the columns of events that it reads beside predictions."""
        return []

    def require(self, names: Collection[str], available: Collection[str]) -> list[str]:
        """Return the names once each; DataError names the nearest to one that is missing."""
        for name in names:
            if name not in available:
                hint = nearest(name, available)
                raise DataError(f"transform '{self.name}' needs the column '{name}'{hint}")
        return list(dict.fromkeys(names))

    def items(self, events: ak.Array, counts: Ints) -> Ints:
        """Return the number of items of each event that objects are made of, (events,).

        These are the points that it reads, unless objects are of other items of the event, which
        must be a group of the columns.

        counts  (events,) points of each event.
        """
        return counts

    @abstractmethod
    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the object of each item of a block, (items,), −1 for none, in any numbering.

        events     the columns of `columns`.
        counts     (events,) points of each event.
        predicted  as `reads` states: edges, label → (points,), NaN for a point without a
                   prediction, or None.
        """

    def __call__(self, events: ak.Array, counts: Ints, predicted: Predicted = None) -> ak.Array:
        """Return the index of the object of each item in its event, −1 for none, as lists.

        Objects are numbered from 0 in the order of their first item; those with fewer items than
        `least` are none. The arguments are those of `label`.
        """
        label, items = self.label(events, counts, predicted), self.items(events, counts)
        return ak.unflatten(within_events(label, items, self.least), items)

    def read_target(self, targets: Mapping[str, Target]) -> Target:
        """Return the target whose predictions it reads, by default one of edges with classes.

        Raises StudyError, naming the nearest, if there is none or it is on another axis.
        """
        known = [one.name for one in targets.values() if one.axis == "edge" and one.classes]
        if self.target is not None and self.target in targets and self.target not in known:
            raise StudyError(
                f"transform '{self.name}' needs a target of edges with classes, and "
                f"'{self.target}' is of each {targets[self.target].axis}"
            )
        chosen = self.target or (known[0] if len(known) == 1 else None)
        if chosen not in known:
            hint = nearest(chosen or "", known) or "; give it, with 'on: edge'"
            which = f"target '{chosen}'" if chosen else "the option 'target'"
            raise StudyError(f"transform '{self.name}' needs {which} of edges with classes{hint}")
        return targets[str(chosen)]


def within_events(label: Ints, counts: Ints, least: int) -> Ints:
    """Return labels (points,) renumbered within each event; −1 for objects of too few points.

    label   (points,) any numbers, negative for none; equal ones in two events are two objects.
    counts  (events,) points of each event.
    least   smallest number of points.
    """
    event = np.repeat(np.arange(len(counts)), counts)
    found = np.full(len(label), -1, np.int64)
    rows = np.flatnonzero(label >= 0)
    if not len(rows):
        return found
    keys = np.column_stack([event[rows], label[rows]])
    _, start, place, sizes = np.unique(
        keys, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    kept = np.flatnonzero(sizes >= least)
    kept = kept[np.argsort(start[kept], kind="stable")]  # in the order of their first points
    own = event[rows][start[kept]]
    index = np.full(len(sizes), -1, np.int64)
    index[kept] = np.arange(len(kept)) - np.searchsorted(own, own)
    found[rows] = index[place.ravel()]
    return found
