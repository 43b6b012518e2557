"""Energy of overlapping showers from their axes alone: the nearest axis, and the lateral profile.

These are the classical ways to divide the energy of a hit between showers whose axes are known.
Showers are along z, so that the distance of a hit to an axis is that in x and y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Bins of the distance to an axis, of equal energy.
BINS = 24


def distances(x: Floats, y: Floats, axis_x: Floats, axis_y: Floats) -> Floats:
    """Return the distance of each hit to each axis, (hits, axis).

    x, y            (hits,).
    axis_x, axis_y  (hits, axis) of the axes of the event of each hit.
    """
    return np.asarray(np.hypot(x[:, None] - axis_x, y[:, None] - axis_y))


def nearest_axis(distance: Floats) -> Floats:
    """Return the fraction 1 for the nearest axis of each hit, shared where several are nearest.

    distance  (hits, axis).
    """
    is_nearest = distance <= distance.min(1, keepdims=True)
    return np.asarray(is_nearest / is_nearest.sum(1, keepdims=True))


@dataclass(frozen=True)
class LateralProfile:
    """Mean energy density ρ_l(r) of a shower in layer l at distance r from its axis.

    radius   (bins,) mean distance in each bin.
    density  (layers, bins), the logarithm of the energy of a shower in a unit of area.
    """

    radius: Floats
    density: Floats

    @classmethod
    def fit(cls, distance: Floats, layer: Ints, energy: Floats, showers: int) -> LateralProfile:
        """Return the mean profile of showers whose energy in each hit is known.

        distance  (hits, axis) to the axis of each shower.
        layer     (hits,).
        energy    (hits, axis) of each shower in each hit.
        showers   number of showers.
        """
        r, e = distance.ravel(), energy.ravel()
        order = np.argsort(r)
        summed = np.cumsum(e[order])
        places = np.searchsorted(summed, summed[-1] * np.arange(1, BINS) / BINS)
        edges = np.unique([0.0, *r[order][places], r.max() * (1 + 1e-9)])
        place = np.clip(np.searchsorted(edges, r, side="right") - 1, 0, len(edges) - 2)
        area = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
        bins, layers = len(edges) - 1, int(layer.max()) + 1
        of = np.repeat(layer, distance.shape[1]) * bins + place
        found = np.bincount(of, e, layers * bins).reshape(layers, bins) / (area * showers)
        # A bin that no shower of the sample reaches is not one that none can.
        found = np.maximum(found, found[found > 0].min())
        weight = np.bincount(place, e, bins)
        radius = np.bincount(place, e * r, bins) / np.where(weight > 0, weight, 1)
        middle = (edges[1:] + edges[:-1]) / 2
        return cls(np.where(weight > 0, radius, middle), np.log(found))

    def fractions(self, distance: Floats, layer: Ints) -> Floats:
        """Return ρ_l(r_k) / Σ_j ρ_l(r_j) of each hit and axis k, (hits, axis)."""
        found = np.zeros_like(distance)
        known = np.minimum(layer, len(self.density) - 1)
        for one in np.unique(known):
            rows = known == one
            found[rows] = np.interp(distance[rows], self.radius, self.density[one])
        density = np.exp(found - found.max(1, keepdims=True))
        return np.asarray(density / density.sum(1, keepdims=True))
