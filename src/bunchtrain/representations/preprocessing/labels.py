"""Targets of a block of events as arrays, points and edges in the order of the representation."""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import DataError
from bunchtrain.physics.packed import Ints, jet_index, positions, starts
from bunchtrain.representations._representation import PointRepresentation, Representation
from bunchtrain.targets import Target


def represent_targets(
    representation: Representation,
    targets: Mapping[str, Target],
    events: ak.Array,
    inputs: Mapping[str, Array],
) -> dict[str, Array]:
    """Return target → class indices (rows,) int64 or values (rows, value) float32 of its axis.

    Those of an assignment are indices of points within the event, (events, role) int64, −1 for an
    item that is missing or that the representation leaves out.

    representation  that made `inputs` from `events`.
    targets         by name; the cache stored their labels as `target_NAME`.
    events          block of the event cache.
    inputs          tensors of the block.

    Raises DataError if the labels do not belong to the points of the representation.
    """
    found: dict[str, Array] = {}
    place = None
    for name, target in targets.items():
        labels = events[f"target_{name}"]
        if target.axis == "event" and not target.assignment:
            found[name] = ak.to_numpy(labels)
            continue
        assert isinstance(representation, PointRepresentation)  # checked with the study
        if target.axis == "edge" and not target.same:
            edges = representation.edge_index(events)
            assert edges is not None  # checked with the study
            found[name] = _chosen(edges, labels, f"targets.{name}", "the edges")
            continue
        place = place or representation.point_index(events)
        if target.assignment:
            found[name] = _indices_of_points(place, ak.to_numpy(labels))
            continue
        group = f"the group '{representation.group}'"
        points = _chosen(place, labels, f"targets.{name}", group)
        found[name] = points if target.axis == "point" else same_point(points, inputs["edges"])
    return found


def _chosen(place: tuple[Ints, Ints], labels: ak.Array, where: str, group: str) -> Array:
    """Return the labels of the points or edges of the representation, in its order."""
    index, lengths = place
    if np.any(ak.to_numpy(ak.num(labels)) != lengths):
        raise DataError(
            f"{where}: the labels are lists of other lengths than {group}; use columns of that "
            "group"
        )
    flat = ak.flatten(labels, axis=1)
    return np.asarray(ak.to_numpy(flat)[index])


def _indices_of_points(place: tuple[Ints, Ints], items: Ints) -> Ints:
    """Return the point of each role, counted within its event, −1 where there is none.

    place  of the points among the items, and the count of items of each event.
    items  (events, role), counted within the event, −1 for none.
    """
    index, lengths = place
    event = jet_index(lengths)[index]
    within = np.full(int(lengths.sum()) + 1, -1, np.int64)  # the last one is that of none
    within[index] = positions(np.bincount(event, minlength=len(lengths)).astype(np.int64))
    flat = np.where(items >= 0, items + starts(lengths)[:, None], len(within) - 1)
    return within[flat]


def same_point(identifier: Array, edges: Array) -> Ints:
    """Return 1 for edges whose points have the same identifier ≥ 0, else 0, (edges,) int64.

    identifier  (points,) int64, negative for points without one.
    edges       (2, edges).
    """
    first, second = identifier[edges]
    found: Ints = ((first == second) & (first >= 0)).astype(np.int64)
    return found
