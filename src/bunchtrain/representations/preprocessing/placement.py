"""Places of the points and edges of a batch in the lists of the events that it was made of."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Array, Batch
from bunchtrain.physics.packed import Ints, jet_index, positions, starts
from bunchtrain.representations._representation import PointRepresentation


@dataclass(frozen=True)
class Placement:
    """Where the rows of one axis belong.

    index   place of each row in the items of all events, concatenated, (rows,).
    counts  items of each event, (events,).
    ends    the two points of each edge, counted in the group of the event; empty for points.
    """

    index: Ints
    counts: Ints
    ends: tuple[ak.Array, ...] = ()

    def items(self, points: Ints, lengths: Ints) -> Ints:
        """Return the items of the group that are points of events, −1 where there is none.

        points   (events,), one point counted within each event, −1 for none.
        lengths  (events,), points of each event.
        """
        within = np.append(positions(self.counts)[self.index], -1)
        return np.asarray(within[np.where(points >= 0, points + starts(lengths), -1)])

    def spread(self, values: Array | None) -> ak.Array:
        """Return values (rows,) as lists of the events, NaN for items without a row."""
        flat = np.full(int(self.counts.sum()), np.nan, np.float32)
        if values is not None:
            flat[self.index] = values
        return ak.unflatten(flat, self.counts)


def place_points(
    representation: PointRepresentation, events: ak.Array, keep: NDArray[np.int64]
) -> Placement:
    """Return the places of the points of a batch made of the events `keep` of a block."""
    index, counts = representation.point_index(events)
    event = jet_index(counts)[index]
    return Placement(index[np.isin(event, keep)], counts)


def place_unpredicted(
    representation: PointRepresentation, events: ak.Array
) -> dict[str, Placement]:
    """Return axis → the items of events that are not represented, so that none has a row.

    Edges that a representation makes are not known; their lists are empty.
    """
    none, counts = np.zeros(0, np.int64), representation.point_index(events)[1]
    if representation.has_edge_columns:
        ends = representation.edge_ends(events)
    else:
        empty = ak.unflatten(none, np.zeros(len(events), np.int64))
        ends = (empty, empty)
    edges = Placement(none, ak.to_numpy(ak.num(ends[0])), ends)
    return {"point": Placement(none, counts), "edge": edges}


def place_edges(
    representation: PointRepresentation,
    events: ak.Array,
    points: Placement,
    batch: Batch,
    keep: NDArray[np.int64],
) -> Placement:
    """Return the places of the edges of a batch, sorted by event, with their two points.

    Those of the data have their places there, others one after the other.

    points  places of the points of the batch.
    batch   of the events `keep` of a block.
    """
    if representation.has_edge_columns:
        found = representation.edge_index(events)
        assert found is not None
        index, counts = found
        event = jet_index(counts)[index]
        return Placement(index[np.isin(event, keep)], counts, representation.edge_ends(events))
    item = jet_index(points.counts)[points.index]
    within = positions(points.counts)[points.index]  # (points,) index in the group of the event
    edges = batch.inputs["edges"]
    event = item[edges[0]]
    order = np.argsort(event, kind="stable")
    counts = np.bincount(event, minlength=len(points.counts)).astype(np.int64)
    ends = tuple(ak.unflatten(within[edges[k]][order], counts) for k in range(2))
    return Placement(np.arange(len(order)), counts, ends)
