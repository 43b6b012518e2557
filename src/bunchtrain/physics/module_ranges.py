"""Ranges of a module map from hits whose particles are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bunchtrain.physics.doublets import RANGES, Hits, curvature, distances, doublet_values
from bunchtrain.physics.packed import Floats, Ints, starts

#: Smallest half width of a range: of angles, of lengths in mm, of curvatures in 1/mm.
_ANGLE, _LENGTH, _CURVATURE = 1e-4, 0.1, 1e-5
#: Ends of an empty range, beyond all values.
_FAR = 1e9


@dataclass
class TruePairs:
    """Quantities of pairs and triplets of consecutive hits of particles, of many events.

    overlap   largest distance in mm of hits in overlapping modules.
    doublets  for each event (pairs, 5): module of both hits, Δφ, impact, polar angle.
    triplets  for each event (triplets, 4): modules of the first two hits, curvature, kink.
    """

    overlap: float
    doublets: list[Floats] = field(default_factory=list)
    triplets: list[Floats] = field(default_factory=list)

    def add(self, hits: Hits, particle: Ints, path: Floats) -> None:
        """Add the hits of an event.

        particle  (hits,) identifier, negative for none.
        path      (hits,) rises along the path of a particle.
        """
        order = np.lexsort((path, particle))
        order = order[particle[order] >= 0]
        every = _consecutive(hits, order, particle)
        near = np.zeros(len(order), bool)
        near[1:] = distances(hits, order[:-1], order[1:]) <= self.overlap
        near[1:] &= particle[order[1:]] == particle[order[:-1]]
        order = order[~near]
        every = np.unique(np.concatenate([every, _consecutive(hits, order, particle)]), axis=0)
        inner, outer = every.T
        turn, impact, angle = doublet_values(hits, inner, outer)
        values = [hits.module[inner], hits.module[outer], np.abs(turn), impact, angle]
        self.doublets.append(np.stack(values, 1))
        a, b, c = order[:-2], order[1:-1], order[2:]
        rising = (hits.distance[a] < hits.distance[b]) & (hits.distance[b] < hits.distance[c])
        kept = (particle[a] == particle[c]) & rising
        a, b, c = a[kept], b[kept], c[kept]
        kink = doublet_values(hits, b, c)[2] - doublet_values(hits, a, b)[2]
        values = [hits.module[a], hits.module[b], np.abs(curvature(hits, a, b, c)), kink]
        self.triplets.append(np.stack(values, 1))


def _consecutive(hits: Hits, order: Ints, particle: Ints) -> Ints:
    """Return the pairs of consecutive hits of particles (pairs, 2), the inner one first."""
    a, b = order[:-1], order[1:]
    same = particle[a] == particle[b]
    pairs = np.stack([a[same], b[same]], 1)
    turned = hits.distance[pairs[:, 0]] > hits.distance[pairs[:, 1]]
    pairs[turned] = pairs[turned, ::-1]
    return pairs


def fit_ranges(
    pairs: TruePairs, modules: int, *, tail: float, margin: float, least: int
) -> tuple[Ints, Floats]:
    """Return the pairs of modules (pairs, 2), sorted, and their ranges (pairs, 8).

    A range is from the quantile `tail` to that of 1 − tail, wider on either side by its width
    times `margin`/√n, n the number of pairs of hits.

    modules  number of modules.
    least    smallest number of pairs of hits of a pair of modules.
    """
    doublets, triplets = (np.concatenate(part) for part in (pairs.doublets, pairs.triplets))
    if not len(doublets):
        return np.zeros((0, 2), np.int64), np.zeros((0, len(RANGES)))
    key = (doublets[:, 0] * modules + doublets[:, 1]).astype(np.int64)
    known, group, number = np.unique(key, return_inverse=True, return_counts=True)
    of_triplet = (triplets[:, 0] * modules + triplets[:, 1]).astype(np.int64)
    place = np.minimum(np.searchsorted(known, of_triplet), len(known) - 1)
    place, values = place[known[place] == of_triplet], triplets[known[place] == of_triplet]
    bounds = np.full((len(known), len(RANGES)), np.nan)
    spread = _Spread(tail, margin, len(known))
    bounds[:, 0] = spread(group, doublets[:, 2], _ANGLE)[1]
    bounds[:, 1:3] = np.stack(spread(group, doublets[:, 3], _LENGTH), 1)
    bounds[:, 3:5] = np.stack(spread(group, doublets[:, 4], _ANGLE), 1)
    bounds[:, 5] = spread(place, values[:, 2], _CURVATURE)[1]
    bounds[:, 6:8] = np.stack(spread(place, values[:, 3], _ANGLE), 1)
    kept = number >= least
    return np.stack([known // modules, known % modules], 1)[kept], bounds[kept]


@dataclass(frozen=True)
class _Spread:
    """Ranges of values in groups."""

    tail: float
    margin: float
    groups: int

    def __call__(self, group: Ints, values: Floats, least: float) -> tuple[Floats, Floats]:
        """Return the ends of the range of each group, (groups,); an empty one for no values."""
        order = np.lexsort((values, group))
        ranked, number = values[order], np.bincount(group, minlength=self.groups)
        start, skipped = starts(number), np.floor(self.tail * number).astype(np.int64)
        last = max(len(ranked) - 1, 0)
        ranked = ranked if len(ranked) else np.zeros(1)
        low = ranked[np.minimum(start + skipped, last)]
        high = ranked[np.clip(start + number - 1 - skipped, 0, last)]
        wider = np.maximum(self.margin * (high - low) / np.sqrt(np.maximum(number, 1)), least)
        empty = number == 0
        return np.where(empty, _FAR, low - wider), np.where(empty, -_FAR, high + wider)
