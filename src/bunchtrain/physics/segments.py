"""Segments between hits of neighbouring layers: their directions and those that continue them."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.packed import Floats, Ints


def directions(place: Floats, first: Ints, second: Ints) -> Floats:
    """Return the unit vectors of segments, (segments, 3); NaN for two hits at one place.

    place          (hits, 3) x, y and z.
    first, second  (segments,) hits.
    """
    step = place[second] - place[first]
    with np.errstate(all="ignore"):
        found: Floats = step / np.linalg.norm(step, axis=1)[:, None]
    return found


def joints(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of segments of which the outer one begins at the hit where the inner ends.

    first, second  (segments,) hits.
    """
    order = np.argsort(first, kind="stable")
    start = np.searchsorted(first[order], second)
    number = np.searchsorted(first[order], second, side="right") - start
    inner = np.repeat(np.arange(len(first)), number)
    within = np.arange(len(inner)) - np.repeat(np.cumsum(number) - number, number)
    return inner, order[np.repeat(start, number) + within]


def straight_joints(
    direction: Floats, first: Ints, second: Ints, largest: float
) -> tuple[Ints, Ints, Floats]:
    """Return the joints with an angle of at most `largest`, and that angle in rad.

    direction  (segments, 3) unit vectors; those of NaN have no joints.
    """
    inner, outer = joints(first, second)
    chord = np.zeros(len(inner))
    for values in direction.T:  # by columns, in a third of the time of rows
        chord += (values[outer] - values[inner]) ** 2
    kept = np.flatnonzero(chord <= (2 * np.sin(min(largest, np.pi) / 2)) ** 2)
    return inner[kept], outer[kept], 2 * np.arcsin(np.minimum(np.sqrt(chord[kept]) / 2, 1.0))


def smallest_kinks(direction: Floats, first: Ints, second: Ints, largest: float) -> Floats:
    """Return the smallest angle of each segment with one that it continues or that continues it.

    Infinity, where that is above `largest`, in rad.
    """
    inner, outer, angle = straight_joints(direction, first, second, largest)
    found = np.full(len(first), np.inf)
    np.minimum.at(found, inner, angle)
    np.minimum.at(found, outer, angle)
    return found
