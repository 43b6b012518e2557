"""Tables of objects made of points, one row each, with the true object that most points are of."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.transforms._clustering import Ints


def object_rows(entry: Ints, objects: ak.Array, truth: ak.Array | None = None) -> dict[str, Any]:
    """Return the columns of a table with one row for each object of the events.

    entry    (events,) written to each row.
    objects  index of the object of each point, −1 for none, a list for each event.
    truth    identifier of the true object of each point, negative for none, or None.

    `object` is its index in the event, `size` the number of its points and `points` their indices.
    With `truth`: `true_object`, of most of its points (−1 if none has one), `majority`, the number
    of these points, `purity` = majority / size, `true_size`, the number of points of the true
    object in the event, and `completeness` = majority / true_size.
    """
    counts = ak.to_numpy(ak.num(objects))
    event, index = np.repeat(np.arange(len(counts)), counts), ak.to_numpy(ak.flatten(objects))
    within = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = np.flatnonzero(index >= 0)
    chosen = chosen[np.lexsort((within[chosen], index[chosen], event[chosen]))]
    rows, of, size = np.unique(
        np.column_stack([event, index])[chosen], axis=0, return_inverse=True, return_counts=True
    )
    table: dict[str, Any] = {
        "entry": np.asarray(entry)[rows[:, 0]],
        "object": rows[:, 1],
        "size": size,
        "points": ak.unflatten(within[chosen], size),
    }
    if truth is None:
        return table
    flat = ak.to_numpy(ak.flatten(truth)).astype(np.int64)
    known, _, true_sizes = _pairs(event[flat >= 0], flat[flat >= 0])
    has_truth = flat[chosen] >= 0
    pairs, _, shared = _pairs(of.ravel()[has_truth], flat[chosen][has_truth])
    best = np.lexsort((shared, pairs[:, 0]))  # the largest of each object last
    true_object, majority = np.full(len(size), -1), np.zeros(len(size), np.int64)
    true_object[pairs[best, 0]], majority[pairs[best, 0]] = pairs[best, 1], shared[best]
    true_size = _sizes(known, true_sizes, rows[:, 0], true_object)
    return table | {
        "true_object": true_object,
        "majority": majority,
        "purity": majority / size,
        "true_size": true_size,
        "completeness": majority / np.maximum(true_size, 1),
    }


def _pairs(first: Ints, second: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the different pairs (pairs, 2), the pair of each row, and their numbers of rows."""
    found = np.unique(
        np.column_stack([first, second]), axis=0, return_inverse=True, return_counts=True
    )
    return found[0], found[1].ravel(), found[2]


def _sizes(known: Ints, sizes: Ints, event: Ints, identifier: Ints) -> Ints:
    """Return the number of points of true objects in their events, 0 for none."""
    if not len(known):
        return np.zeros(len(event), np.int64)
    width = max(int(known[:, 1].max()), int(identifier.max(initial=0))) + 1
    keys, wanted = known[:, 0] * width + known[:, 1], event * width + identifier
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((identifier >= 0) & (keys[place] == wanted), sizes[place], 0)
