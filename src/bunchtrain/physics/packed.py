"""Packed points: the points of all jets concatenated, with the count of each jet in `lengths`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import awkward as ak
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Default bound in bytes on the temporary arrays of a calculation.
MEMORY = 64_000_000


def flat_values(lists: ak.Array) -> NDArray[np.float64]:
    """Return the values of all lists in float64: (points,) from (jets, points)."""
    return np.asarray(ak.flatten(lists), np.float64)


def starts(lengths: Ints) -> Ints:
    """Return the index of each jet's first point: (jets,) from (jets,)."""
    return np.asarray(np.cumsum(lengths) - lengths, dtype=np.int64)


def jet_index(lengths: Ints) -> Ints:
    """Return the index of the jet of each point: (points,) from (jets,)."""
    return np.repeat(np.arange(len(lengths)), lengths)


def positions(lengths: Ints) -> Ints:
    """Return the index of each point within its jet: (points,) from (jets,)."""
    return np.arange(int(lengths.sum())) - np.repeat(starts(lengths), lengths)


def chunks(number: Ints, size: int) -> Iterator[slice]:
    """Yield slices of rows whose numbers add up to about `size`; at least one, perhaps empty."""
    total = np.cumsum(number)
    bounds = np.arange(size, int(total[-1]) if len(total) else 0, size)
    cuts = np.unique([0, *np.searchsorted(total, bounds), len(number)])
    yield from (slice(a, b) for a, b in itertools.pairwise(cuts))
    if len(cuts) == 1:
        yield slice(0, 0)


def sum_by_jet(values: Floats | Flags, lengths: Ints) -> Floats:
    """Return the sum over each jet's points in float64: (jets, ...) from (points, ...)."""
    total = np.zeros((len(lengths), *values.shape[1:]))
    nonempty = lengths > 0
    if nonempty.any():
        total[nonempty] = np.add.reduceat(
            values, starts(lengths)[nonempty], axis=0, dtype=np.float64
        )
    return total


def point_index(lengths: Ints, rows: Ints) -> Ints:
    """Return the indices of the points of these jets, jet by jet: (points,)."""
    return positions(lengths[rows]) + np.repeat(starts(lengths)[rows], lengths[rows])


def equal_multiplicity(
    lengths: Ints, bytes_each: Callable[[int], float], memory: float, least: int = 1
) -> Iterator[tuple[Ints, Ints]]:
    """Yield groups of jets that all have the same number of points, so that no padding is needed.

    A group consists of the indices of its jets (jets,) and of their points (jets, multiplicity).
    Its size is limited so that `bytes_each(multiplicity)` bytes per jet fit in `memory`. Jets with
    fewer than `least` points are skipped.
    """
    begin = starts(lengths)
    order = np.argsort(lengths, kind="stable")
    sizes, first = np.unique(lengths[order], return_index=True)
    groups = np.split(order, first[1:]) if len(order) else []
    for size, rows in zip(sizes.tolist(), groups, strict=True):
        if size < least:
            continue
        step = max(1, int(memory / bytes_each(size)))
        for low in range(0, len(rows), step):
            group = rows[low : low + step]
            yield group, begin[group, None] + np.arange(size)


def descending(lengths: Ints, bytes_each: Callable[[int], float], memory: float) -> Iterator[Ints]:
    """Yield the indices of the jets with points, in descending multiplicity.

    The size of a group (jets,) is limited so that `bytes_each(largest multiplicity)` bytes per jet
    fit in `memory`.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    low = 0
    while low < len(order):
        step = max(1, int(memory / bytes_each(int(lengths[order[low]]))))
        yield order[low : low + step]
        low += step
