"""CLUE: clusters of energy around local maxima of a density, without a trained model.

The density of hit i is its energy and half of that of its neighbours, ρ_i = E_i + ½ Σ_j E_j over
|x_i − x_j| ≤ d_c. Each hit follows its nearest hit of higher density, at the distance δ_i. One with
ρ ≥ ρ_c and δ > δ_c is a seed, one with ρ < ρ_c and δ > δ_o is noise, as are all that follow it; the
others belong to the seed that they lead to (arXiv:2001.09761).
"""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import NonNegative, PointCount, Positive
from bunchtrain.transforms._clustering import Floats, Ints, Predicted
from bunchtrain.transforms._hits import HitClustering, separate


class Clue(HitClustering):
    """Clusters of energy by CLUE, in any number of coordinates (arXiv:2001.09761).

    density_distance  d_c, distance up to which energies add to the density.
    seed_density      ρ_c, smallest density of a seed, in the unit of the energy.
    seed_distance     δ_c, distance of a seed to a hit of higher density.
    noise_distance    δ_o, distance of a hit of low density to one of higher beyond which it is
                      noise.
    group             Prefix of the columns of the hits.
    coordinates       Their suffixes.
    scales            Length of each coordinate that counts as 1; all 1 if empty.
    energy            Suffix of the column of the energy.
    min_points        Smallest number of hits of a cluster.
    """

    def __init__(
        self,
        *,
        density_distance: Positive,
        seed_density: NonNegative,
        seed_distance: Positive | None = None,
        noise_distance: Positive | None = None,
        group: str = "hit",
        coordinates: tuple[str, ...] = ("x", "y", "z"),
        scales: tuple[Positive, ...] = (),
        energy: str = "energy",
        min_points: PointCount = 1,
    ) -> None:
        super().__init__(group, coordinates, scales, energy, min_points)
        self.critical, self.density = density_distance, seed_density
        self.seed = seed_distance or density_distance
        self.noise = noise_distance or 2 * self.seed

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the cluster of each hit, (hits,), −1 for noise."""
        points, energy, event = self.read(events, counts)
        reach = max(self.critical, self.seed, self.noise)
        first, second, distance = close_pairs(separate(points, event, reach), reach)
        near = distance <= self.critical
        density = energy + np.bincount(first[near], energy[second[near]], len(energy)) / 2
        higher, step = nearest_higher(density, first, second, distance)
        is_seed = (density >= self.density) & (step > self.seed)
        is_noise = (density < self.density) & (step > self.noise)
        # A hit without a higher one within reach is a seed or noise.
        parent = np.where(is_seed | is_noise, np.arange(len(density)), higher)
        return roots(parent, is_seed)


def close_pairs(points: Floats, distance: float) -> tuple[Ints, Ints, Floats]:
    """Return both orders of all pairs of points up to a distance, and their distances.

    points  (points, coordinate).
    """
    from scipy.spatial import cKDTree

    if not len(points):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    pairs = cKDTree(points).query_pairs(distance, output_type="ndarray").astype(np.int64)
    apart = np.sqrt(((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2).sum(1))
    first = np.concatenate([pairs[:, 0], pairs[:, 1]])
    return first, np.concatenate([pairs[:, 1], pairs[:, 0]]), np.concatenate([apart, apart])


def nearest_higher(
    density: Floats, first: Ints, second: Ints, distance: Floats
) -> tuple[Ints, Floats]:
    """Return the nearest hit of higher density and its distance, −1 and ∞ where none is close.

    Of equal densities that of the lower index is higher; of equal distances it is the nearest.

    density                   (hits,).
    first, second, distance   (pairs,).
    """
    higher = density[second] > density[first]
    higher |= (density[second] == density[first]) & (second < first)
    first, second, distance = first[higher], second[higher], distance[higher]
    order = np.lexsort((second, distance, first))
    is_best = np.ones(len(order), bool)
    is_best[1:] = first[order][1:] != first[order][:-1]
    best = order[is_best]
    found, step = np.full(len(density), -1, np.int64), np.full(len(density), np.inf)
    found[first[best]], step[first[best]] = second[best], distance[best]
    return found, step


def roots(parent: Ints, is_seed: NDArray[np.bool_]) -> Ints:
    """Return the seed that each hit leads to, (hits,), −1 where the end is no seed.

    parent  (hits,) the next hit, an end its own.
    """
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return np.asarray(np.where(is_seed[parent], parent, -1))
        parent = further
