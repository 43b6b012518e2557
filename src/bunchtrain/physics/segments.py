"""Segments between hits of neighbouring layers: their directions and those that continue them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.physics.packed import Floats, Ints, chunks, positions

#: Pairs of segments that are looked at together, and the most that may continue each other.
_CHUNK, MOST_JOINTS = 4_000_000, 30_000_000


def directions(place: Floats, first: Ints, second: Ints) -> Floats:
    """Return the unit vectors of segments, (segments, 3); NaN for two hits at one place.

    place          (hits, 3) x, y and z.
    first, second  (segments,) hits.
    """
    step = place[second] - place[first]
    with np.errstate(all="ignore"):
        found: Floats = step / np.linalg.norm(step, axis=1)[:, None]
    return found


def joints(first: Ints, second: Ints, size: int | None = None) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pairs of segments of which the outer one begins at the hit where the inner ends.

    In chunks of about `size` pairs, `_CHUNK` if it is None; at least one, perhaps empty.

    first, second  (segments,) hits.
    """
    order = np.argsort(first, kind="stable")
    hits = max(first.max(initial=-1), second.max(initial=-1)) + 1
    begin = np.searchsorted(first[order], np.arange(hits + 1))
    start = begin[second]
    number = begin[second + 1] - start
    for part in chunks(number, size or _CHUNK):
        inner = np.repeat(np.arange(part.start, part.stop), number[part])
        yield inner, order[positions(number[part]) + start[inner]]


def straight_joints(
    direction: Floats, first: Ints, second: Ints, largest: float
) -> tuple[Ints, Ints, Floats]:
    """Return the joints with an angle of at most `largest`, and that angle in rad.

    direction  (segments, 3) unit vectors; those of NaN have no joints.

    Raises DataError if there are more than `MOST_JOINTS` of them.
    """
    found, total = [], 0
    for inner, outer in joints(first, second):
        chord = np.zeros(len(inner))
        for values in direction.T:  # by columns, in a third of the time of rows
            chord += (values[outer] - values[inner]) ** 2
        kept = np.flatnonzero(chord <= (2 * np.sin(min(largest, np.pi) / 2)) ** 2)
        angle = 2 * np.arcsin(np.minimum(np.sqrt(chord[kept]) / 2, 1.0))
        found.append((inner[kept], outer[kept], angle))
        total += len(kept)
        if total > MOST_JOINTS:
            raise DataError(
                f"{len(first):,} segments of a block of events have more than {MOST_JOINTS:,} "
                f"pairs that continue each other within {largest:g} rad; give a smaller window or "
                "angle, or events with fewer hits at one place"
            )
    inner, outer, angle = (np.concatenate(each) for each in zip(*found, strict=True))
    return inner, outer, angle


def smallest_kinks(direction: Floats, first: Ints, second: Ints, largest: float) -> Floats:
    """Return the smallest angle of each segment with one that it continues or that continues it.

    Infinity, where that is above `largest`, in rad.
    """
    inner, outer, angle = straight_joints(direction, first, second, largest)
    found = np.full(len(first), np.inf)
    np.minimum.at(found, inner, angle)
    np.minimum.at(found, outer, angle)
    return found
