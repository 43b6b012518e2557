"""Matching of vertices along the beam with the true collisions, and the two-vertex resolution.

A collision is found if a vertex lies within a window in z; a vertex is false if no collision does.
The two-vertex resolution is the half-width b of the dip at 0 of the distribution of the distances
|Δz| of all pairs of vertices of an event,

    n(|Δz|) = a / (1 + exp((b − |Δz|)/c)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bunchtrain.statistics.metrics import Measurement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: Distance along the beam in mm that no event exceeds.
_APART = 1e5
#: Range of |Δz| of the fit of the dip in mm, its bins, replicas of the bootstrap, and pairs needed.
REACH, BINS, REPLICAS, FEWEST = 5.0, 100, 25, 200


@dataclass(frozen=True)
class VertexMatch:
    """Vertices and collisions of a set of events, (vertices,) and (collisions,) that count.

    false      whether no collision is within the window of a vertex.
    of         nearest collision that counts within the window of a vertex, −1 for none.
    split      whether a nearer vertex has the same nearest collision.
    found      whether a vertex is within the window of a collision.
    vertex     the vertex of a collision, the nearest of those whose nearest collision it is; −1.
    residual   z of this vertex less that of the collision in mm; NaN without one.
    """

    false: Mask
    of: Ints
    split: Mask
    found: Mask
    vertex: Ints
    residual: Floats


def nearest(event: Ints, z: Floats, other_event: Ints, other_z: Floats) -> tuple[Ints, Floats]:
    """Return the nearest other place in the same event, and its distance; −1 and ∞ for none.

    event, z              (n,).
    other_event, other_z  (m,) in any order.
    """
    if not len(other_z):
        return np.full(len(z), -1), np.full(len(z), np.inf)
    key, wanted = other_event * _APART + other_z, event * _APART + z
    order = np.argsort(key)
    right = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    left = np.maximum(right - 1, 0)
    both = np.stack([order[left], order[right]])
    apart = np.where(other_event[both] == event, np.abs(other_z[both] - z), np.inf)
    best = np.argmin(apart, 0)
    column = np.arange(len(z))
    distance = apart[best, column]
    return np.where(np.isfinite(distance), both[best, column], -1), distance


def match_vertices(
    event: Ints, z: Floats, of_collision: Ints, collision_z: Floats, counts: Mask, window: float
) -> VertexMatch:
    """Return the match of vertices with collisions.

    event, z                   (vertices,).
    of_collision, collision_z  (collisions,) event and place of all.
    counts                     (collisions,) whether a collision counts as one to be found.
    window                     in mm.
    """
    wanted_event, wanted_z = of_collision[counts], collision_z[counts]
    false = nearest(event, z, of_collision, collision_z)[1] > window
    of, apart = nearest(event, z, wanted_event, wanted_z)
    of = np.where(apart <= window, of, -1)
    found = nearest(wanted_event, wanted_z, event, z)[1] <= window
    order = np.flatnonzero(of >= 0)
    order = order[np.lexsort((apart[order], of[order]))]
    is_first = np.ones(len(order), bool)
    is_first[1:] = of[order][1:] != of[order][:-1]
    split = np.zeros(len(z), bool)
    split[order[~is_first]] = True
    vertex = np.full(len(wanted_z), -1)
    vertex[of[order[is_first]]] = order[is_first]
    padded = np.append(z, np.nan)
    return VertexMatch(false, of, split, found, vertex, padded[vertex] - wanted_z)


def distances(event: Ints, z: Floats, events: int) -> tuple[Floats, Floats]:
    """Return edges of bins of |Δz| up to `REACH`, and the pairs in them, (events, bins).

    event, z  (vertices,) in any order.
    """
    edges = np.linspace(0, REACH, BINS + 1)
    order = np.lexsort((z, event))
    event, z = event[order], z[order]
    found = np.zeros((events, BINS))
    for step in range(1, len(z)):
        apart = np.where(event[step:] == event[:-step], z[step:] - z[:-step], np.inf)
        near = apart < REACH
        if not near.any():
            break
        place = np.minimum((apart[near] / REACH * BINS).astype(np.int64), BINS - 1)
        np.add.at(found, (event[step:][near], place), 1)
    return edges, found


def dip(distance: Floats, height: float, half: float, slope: float) -> Floats:
    """Return n = a/(1 + exp((b − |Δz|)/c)) for a, b and c."""
    return np.asarray(height / (1 + np.exp(np.clip((half - distance) / slope, -60, 60))))


def fit_dip(pairs: Floats, edges: Floats) -> tuple[float, float, float]:
    """Return a, b and c of the largest Poisson likelihood of the numbers of pairs, (bins,)."""
    middle = (edges[1:] + edges[:-1]) / 2
    level = max(float(pairs[len(pairs) // 2 :].mean()), 1e-9)
    above = np.flatnonzero(pairs > level / 2)
    start = middle[above[0]] if len(above) else middle[-1]

    def loss(values: Floats) -> float:
        expected = dip(middle, *np.exp(values)) + 1e-12
        return float((expected - pairs * np.log(expected)).sum())

    first = np.log([level, start, 0.3 * start])
    made = minimize(loss, first, method="Nelder-Mead", options={"maxiter": 2000})
    height, half, slope = np.exp(made.x)
    return float(height), float(half), float(slope)


def separation(pairs: Floats, edges: Floats, seed: int = 1) -> Measurement:
    """Return the two-vertex resolution b in mm, with the error of a bootstrap of events.

    pairs  (events, bins) numbers of pairs; NaN for fewer than `FEWEST`.
    """
    total = pairs.sum(0)
    if total.sum() < FEWEST:
        return Measurement(np.nan)
    random = np.random.default_rng(seed)
    weights = random.poisson(1.0, (REPLICAS, len(pairs)))
    replicas = [fit_dip(one @ pairs, edges)[1] for one in weights]
    return Measurement(fit_dip(total, edges)[1], float(np.std(replicas, ddof=1)))
