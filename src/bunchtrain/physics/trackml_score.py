"""The score of the TrackML challenge: weights of hits and their sum on matched tracks.

arXiv:1904.06778, with the numbers of the challenge's own library (trackml-library, LAL).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.track_matching import MatchedTracks, TrueParticles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Weights along a track from its first to its last hit, for any number of hits between these.
_ALONG = (10.0, 8.0, 6.0, 5.0, 3.0, 3.0, 3.0, 5.0, 6.0)
FEWEST, MOST = 4, 20
#: The weight rises from 0.2 at 0.5 GeV to 1 at 3 GeV; there are no particles below 0.05 GeV.
_PT, _WEIGHT = (0.05, 0.5, 3.0), (0.2, 0.2, 1.0)


@lru_cache(maxsize=1)
def order_weights() -> Floats:
    """Return the weight of a hit by the number of hits of its particle and its place, (21, 20).

    The weights of a particle add up to 1; with fewer than four hits all are 0.
    """
    weights = np.zeros((MOST + 1, MOST))
    for hits in range(FEWEST, MOST + 1):
        place = np.arange(len(_ALONG)) * (hits - 1) / (len(_ALONG) - 1)
        along = np.interp(np.arange(hits), place, _ALONG)
        weights[hits, :hits] = along / along.sum()
    return weights


def hit_weights(particles: TrueParticles, distance: Floats, pt: Floats) -> Floats:
    """Return the weight of each hit, (hits,): of its place along the particle times that of pT.

    They add up to 1 in each event. The place is the rank of the distance among the hits of the
    particle, the first two of equal ones that of the first; hits beyond the 20th have no weight.

    distance  (hits,) |z of the hit − z of the origin of its particle| in mm; 0 for noise.
    pt        (particles,) in GeV.
    """
    own, found = particles.of_hit, np.zeros(len(particles.of_hit))
    rows = np.flatnonzero(own >= 0)
    rows = rows[np.lexsort((distance[rows], own[rows]))]
    of, size = own[rows], particles.size
    # The average rank of equal distances, as the challenge's library takes it.
    _, tie, count = np.unique(
        np.column_stack([of, distance[rows]]), axis=0, return_inverse=True, return_counts=True
    )
    first = np.cumsum(count) - count
    rank = (first + (count - 1) / 2)[tie.ravel()] - (np.cumsum(size) - size)[of]
    place = rank.astype(np.int64)
    weight = order_weights()[np.minimum(size[of], MOST), np.minimum(place, MOST - 1)]
    found[rows] = np.where(place < MOST, weight, 0.0) * pt_weight(pt)[of]
    return per_event(found, particles.counts)


def pt_weight(pt: Floats) -> Floats:
    """Return the weight of particles of a transverse momentum in GeV."""
    return np.asarray(np.interp(pt, _PT, _WEIGHT, left=0.0))


def equal_weights(particles: TrueParticles) -> Floats:
    """Return equal weights for all hits of particles with four or more, (hits,)."""
    size = np.append(particles.size, 0)[particles.of_hit]
    return per_event((size >= FEWEST).astype(np.float64), particles.counts)


def per_event(weight: Floats, counts: Ints) -> Floats:
    """Return weights (hits,) divided by their sum over the event; 0 where that is 0."""
    event = np.repeat(np.arange(len(counts)), counts)
    total = np.bincount(event, weight, minlength=len(counts))[event]
    return np.divide(weight, total, out=np.zeros(len(weight)), where=total > 0)


def trackml_scores(tracks: MatchedTracks, weight: Floats) -> Floats:
    """Return the score of each event, (events,): the sum of the weights that are found.

    They are those of the hits of the particle of most hits on tracks of which more than half of the
    hits are of it, and which have more than half of its hits. A hit that is found twice, on tracks
    that share it, counts once.

    weight  (hits,) which add up to 1 in each event.
    """
    good = tracks.matched("double_majority")
    of, hits = tracks.tracks.of_hit, tracks.tracks.hits
    chosen = good[of] & (tracks.particles.of_hit[hits] == tracks.particle[of])
    found = np.zeros(len(weight), bool)
    found[hits[chosen]] = True
    counts = tracks.particles.counts
    event = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(event, weight * found, minlength=len(counts)).astype(np.float64)
