"""Packed points: those of all jets one after the other, `lengths` saying how many each jet has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Bytes that the temporary arrays of a calculation may take unless it is told otherwise.
MEMORY = 64_000_000


def starts(lengths: Ints) -> Ints:
    """Return where each jet's points begin: (jets,) from (jets,)."""
    return np.asarray(np.cumsum(lengths) - lengths, dtype=np.int64)


def jet_numbers(lengths: Ints) -> Ints:
    """Return the number of the jet that each point belongs to: (points,) from (jets,)."""
    return np.repeat(np.arange(len(lengths)), lengths)


def positions(lengths: Ints) -> Ints:
    """Return the place of each point within its jet, counted from 0: (points,) from (jets,)."""
    return np.arange(int(lengths.sum())) - np.repeat(starts(lengths), lengths)


def sum_by_jet(values: Floats | Flags, lengths: Ints) -> Floats:
    """Return the sum over each jet's points in float64: (jets, ...) from (points, ...)."""
    total = np.zeros((len(lengths), *values.shape[1:]))
    filled = lengths > 0
    if filled.any():
        total[filled] = np.add.reduceat(values, starts(lengths)[filled], axis=0, dtype=np.float64)
    return total


def point_numbers(lengths: Ints, rows: Ints) -> Ints:
    """Return the numbers of the points of these jets, jet after jet: (points,)."""
    return positions(lengths[rows]) + np.repeat(starts(lengths)[rows], lengths[rows])


def equal_multiplicity(
    lengths: Ints, bytes_each: Callable[[int], float], memory: float, least: int = 1
) -> Iterator[tuple[Ints, Ints]]:
    """Yield groups of jets that all have the same number of points, so that none is padded.

    A group is the numbers of its jets (jets,) and of their points (jets, multiplicity), and is
    small enough for `bytes_each(multiplicity)` bytes a jet to fit in `memory`. Jets of fewer than
    `least` points are left out.
    """
    begin = starts(lengths)
    order = np.argsort(lengths, kind="stable")
    sizes, first = np.unique(lengths[order], return_index=True)
    for size, rows in zip(sizes.tolist(), np.split(order, first[1:]), strict=True):
        if size < least:
            continue
        step = max(1, int(memory / bytes_each(size)))
        for low in range(0, len(rows), step):
            some = rows[low : low + step]
            yield some, begin[some, None] + np.arange(size)


def descending(lengths: Ints, bytes_each: Callable[[int], float], memory: float) -> Iterator[Ints]:
    """Yield the numbers of the jets that have points, from the fullest to the emptiest.

    A group (jets,) is small enough for `bytes_each(largest multiplicity)` bytes a jet to fit in
    `memory`.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    low = 0
    while low < len(order):
        step = max(1, int(memory / bytes_each(int(lengths[order[low]]))))
        yield order[low : low + step]
        low += step
