"""The steps from packed points to jet images (arXiv:1808.08979, arXiv:1707.08966).

x is the pseudorapidity and y the azimuth from the axis of the jet, `weight` the pT, (points,)
each; every step acts on all jets of a block.
"""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.packed import Flags, Floats, Ints, jet_index, starts, sum_by_jet

Plane = tuple[Floats, Floats]
#: Shift, in pixels, so that rounding does not decide the side of points on the edge of a pixel.
EDGE = 1e-4


def centre(x: Floats, y: Floats, weight: Floats, lengths: Ints) -> Plane:
    """Return the points with the weighted centroid at the origin."""
    total = sum_by_jet(weight, lengths)
    total[total == 0] = 1
    return tuple(  # type: ignore[return-value]
        value - np.repeat((sum_by_jet(weight * value, lengths) / total).astype(x.dtype), lengths)
        for value in (x, y)
    )


def rotate(x: Floats, y: Floats, weight: Floats, lengths: Ints) -> Plane:
    """Return the points with the major principal axis along y.

    The angle of that axis to x is ½ arctan(2 Σ w x y / Σ w (x² − y²)).
    """
    mixed = sum_by_jet(weight * x * y, lengths)
    across = sum_by_jet(weight * (x - y) * (x + y), lengths)
    turn = np.pi / 2 - 0.5 * np.arctan2(2 * mixed, across)
    cos = np.repeat(np.cos(turn).astype(x.dtype), lengths)
    sin = np.repeat(np.sin(turn).astype(x.dtype), lengths)
    return cos * x - sin * y, sin * x + cos * y


def align_to_leading(x: Floats, y: Floats, weight: Floats, lengths: Ints) -> Plane:
    """Return the points with the hardest at the origin and the next along −y (arXiv:1704.02124).

    They are then mirrored so that Σ w x is not negative.
    """
    order = np.lexsort((-weight, jet_index(lengths)))
    nonempty, place = np.flatnonzero(lengths), starts(lengths)
    first = order[place[nonempty]]
    second = order[(place + (lengths > 1))[nonempty]]
    x, y = x - np.repeat(x[first], lengths[nonempty]), y - np.repeat(y[first], lengths[nonempty])
    turn = -np.pi / 2 - np.arctan2(y[second], x[second])
    cos, sin = (np.repeat(f(turn).astype(x.dtype), lengths[nonempty]) for f in (np.cos, np.sin))
    x, y = cos * x - sin * y, sin * x + cos * y
    side = np.where(sum_by_jet(weight * x, lengths) < 0, -1, 1).astype(x.dtype)
    return x * np.repeat(side, lengths), y


def flip(x: Floats, y: Floats, weight: Floats, lengths: Ints) -> Plane:
    """Return the points mirrored so that the quadrant of most weight is x > 0, y > 0."""
    quadrant = (x < 0) + 2 * (y < 0)
    place = 4 * jet_index(lengths) + quadrant
    most = np.bincount(place, weight, 4 * len(lengths)).reshape(-1, 4).argmax(1)
    sign = np.array([1, -1], dtype=x.dtype)
    return x * np.repeat(sign[most % 2], lengths), y * np.repeat(sign[most // 2], lengths)


def pixel_index(x: Floats, y: Floats, pixels: int, width: float) -> tuple[Ints, Ints]:
    """Return the row (y) and column (x) of each point, in 0 … n − 1 inside the image."""
    scale, shift = np.float32(pixels / width), np.float32(pixels / 2 + EDGE)
    column = np.floor(x * scale + shift).astype(np.int64)
    return np.floor(y * scale + shift).astype(np.int64), column


def pixelate(weight: Floats, pixel: Ints, inside: Flags, count: int) -> Floats:
    """Return `count` pixels with the sum of the weights of the points in each: (count,) float32."""
    image = np.zeros(count, np.float32)
    np.add.at(image, pixel[inside], weight[inside].astype(np.float32, copy=False))
    return image


def normalise_weights(weight: Floats, inside: Flags, lengths: Ints) -> Floats:
    """Return the weights divided by the jet's total inside the image, so that they add up to 1.

    The total is that of the absolute values, so that weights of both signs do not cancel.
    """
    total = sum_by_jet(np.abs(weight) * inside, lengths)
    total[total == 0] = 1
    return np.asarray(weight / np.repeat(total, lengths).astype(weight.dtype))
