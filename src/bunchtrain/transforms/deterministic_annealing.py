"""Vertices along the beam by deterministic annealing, without a trained model.

Tracks i at z_i ± σ_i and prototypes k at z_k with the weights ρ_k have at the temperature T the
probabilities

    p_ik = ρ_k exp(−E_ik/T) / (Σ_k' ρ_k' exp(−E_ik'/T) + ρ_0 exp(−μ²/T)),   E = (z_i − z_k)²/σ_i²,

and z_k is the mean of z_i with the weights w_i p_ik/σ_i², ρ_k = Σ w_i p_ik / Σ w_i, which minimises
the free energy. From one prototype an event T falls; a prototype is split where T is below its
critical temperature T_k = 2 Σ w p E/σ² / Σ w p/σ². Below `temperature` nothing is split, and tracks
further than μ from all vertices are outliers (CMS, arXiv:1405.6569, section 6). All events of a
block are annealed together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.parts.ranges import NUMBER, PointCount, Positive
from bunchtrain.transforms._clustering import Floats, Ints, Predicted
from bunchtrain.transforms._track_vertices import APART, Places, TrackVertices

#: Factor of cooling, iterations at one temperature, and largest move in mm of a converged one.
COOLING, ITERATIONS, SMALL = 0.6, 40, 0.005
#: Exponents below it are 0, prototypes closer than this in mm are one, and so are their weights.
DEEP, MERGED, LEAST = 20.0, 0.01, 1e-8
#: Temperature of the last iterations.
COLD = 1.0
Temperature = Annotated[float, Field(ge=1, le=1000), NUMBER]


@dataclass(frozen=True)
class Prototypes:
    """Prototypes of vertices, (prototypes,) each, in the order of event and z.

    weight  ρ.
    """

    event: Ints
    z: Floats
    weight: Floats


@dataclass(frozen=True)
class Pairs:
    """Pairs of tracks and near prototypes, (pairs,) each.

    energy       E.
    probability  p.
    """

    track: Ints
    prototype: Ints
    energy: Floats
    probability: Floats


class DeterministicAnnealing(TrackVertices):
    """Vertices of tracks by deterministic annealing, as of CMS (arXiv:1405.6569).

    group        Prefix of the columns d0, z0 and covariance of the tracks.
    temperature  Below it no vertex is split.
    cut          μ, largest distance of a track to its vertex in standard deviations.
    beam_cut     Significance of d0 at which a track has the weight w = 1/2.
    min_points   Smallest number of tracks of a vertex.
    """

    def __init__(
        self,
        *,
        group: str = "track",
        temperature: Temperature = 4.0,
        cut: Positive = 4.0,
        beam_cut: Positive = 3.0,
        min_points: PointCount = 2,
    ) -> None:
        super().__init__(group, min_points)
        self.temperature, self.cut, self.beam_cut = temperature, cut, beam_cut

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the vertex of each track, (tracks,), −1 for none."""
        tracks = self.read(events)
        if not len(tracks.z):
            return np.zeros(0, np.int64)
        exponent = np.clip(tracks.significance**2 - self.beam_cut**2, -50, 50)
        weight = 1 / (1 + np.exp(exponent))
        pairs = anneal(tracks, weight, self.temperature, self.cut)
        found = np.full(len(tracks.z), -1, np.int64)
        sure = pairs.probability > 0.5
        found[pairs.track[sure]] = pairs.prototype[sure]
        return found


def anneal(tracks: Places, weight: Floats, lowest: float, cut: float) -> Pairs:
    """Return the pairs of tracks and vertices at the end of the annealing.

    weight  (tracks,) w.
    lowest  temperature below which nothing is split.
    cut     μ.
    """
    events, first = np.unique(tracks.event, return_index=True)
    weight = np.maximum(weight, LEAST)
    own = weight / tracks.sigma**2
    total = np.add.reduceat(own, first)
    z = np.add.reduceat(own * tracks.z, first) / total
    state = Prototypes(events, z, np.ones(len(events)))
    pairs = probabilities(tracks, state, np.inf)
    hottest = _critical(tracks, weight, state, pairs).max()
    steps = max(1, int(np.ceil(np.log(max(hottest / lowest, 1)) / -np.log(COOLING))))
    for step in range(steps, -1, -1):
        temperature = lowest / COOLING**step
        pairs, state = converge(tracks, weight, state, temperature)
        state = split(tracks, weight, _merge(state), temperature)
    pairs, state = converge(tracks, weight, state, lowest)
    temperature = lowest
    while temperature > COLD:
        temperature = max(temperature * COOLING, COLD)
        pairs, state = converge(tracks, weight, _merge(state), temperature, cut)
    return pairs


def probabilities(
    tracks: Places, state: Prototypes, temperature: float, cut: float = np.inf
) -> Pairs:
    """Return the probabilities of near prototypes; every track has at least the nearest one.

    cut  μ; ∞ for no outliers.
    """
    key, at = state.event * APART + state.z, tracks.event * APART + tracks.z
    start = np.searchsorted(state.event, tracks.event)
    stop = np.searchsorted(state.event, tracks.event, side="right")
    low, high = start, stop
    if np.isfinite(temperature):
        right = np.clip(np.searchsorted(key, at), start, stop - 1)
        left = np.maximum(right - 1, start)
        nearest = np.minimum(np.abs(key[left] - at), np.abs(key[right] - at))
        reach = np.sqrt(nearest**2 + DEEP * temperature * tracks.sigma**2)
        low = np.maximum(np.searchsorted(key, at - reach * 1.0001), start)
        high = np.minimum(np.searchsorted(key, at + reach * 1.0001), stop)
    count = high - low
    track = np.repeat(np.arange(len(at)), count)
    first = np.cumsum(count) - count
    prototype = low[track] + np.arange(len(track)) - first[track]
    energy = ((at[track] - key[prototype]) / tracks.sigma[track]) ** 2
    deepest = np.minimum.reduceat(energy, first)
    shifted = (energy - deepest[track]) / temperature
    part = state.weight[prototype] * np.exp(-np.minimum(shifted, 700))
    norm = np.add.reduceat(part, first)
    if np.isfinite(cut):
        size = np.bincount(tracks.event)[tracks.event]
        outside = (deepest - cut**2) / temperature
        norm = norm + np.exp(np.clip(outside, -700, 700)) / size
    return Pairs(track, prototype, energy, part / np.maximum(norm, 1e-300)[track])


def converge(
    tracks: Places, weight: Floats, state: Prototypes, temperature: float, cut: float = np.inf
) -> tuple[Pairs, Prototypes]:
    """Return probabilities and prototypes after iterations at one temperature."""
    of_event = np.bincount(tracks.event, weight)
    for _ in range(ITERATIONS):
        pairs = probabilities(tracks, state, temperature, cut)
        share = weight[pairs.track] * pairs.probability
        own = share / tracks.sigma[pairs.track] ** 2
        total = np.bincount(pairs.prototype, own, len(state.z))
        moment = np.bincount(pairs.prototype, own * tracks.z[pairs.track], len(state.z))
        z = np.where(total > 0, moment / np.maximum(total, 1e-300), state.z)
        rho = np.bincount(pairs.prototype, share, len(state.z)) / of_event[state.event]
        moved = np.abs(z - state.z).max()
        order = np.lexsort((z, state.event))
        changed = not np.array_equal(order, np.arange(len(z)))
        state = Prototypes(state.event[order], z[order], rho[order])
        if moved < SMALL and not changed:
            break
    return probabilities(tracks, state, temperature, cut), state


def _critical(tracks: Places, weight: Floats, state: Prototypes, pairs: Pairs) -> Floats:
    """Return the critical temperature of each prototype, (prototypes,)."""
    own = weight[pairs.track] * pairs.probability / tracks.sigma[pairs.track] ** 2
    total = np.bincount(pairs.prototype, own, len(state.z))
    found = np.bincount(pairs.prototype, own * pairs.energy, len(state.z))
    return np.asarray(2 * found / np.maximum(total, 1e-300))


def split(tracks: Places, weight: Floats, state: Prototypes, temperature: float) -> Prototypes:
    """Return the prototypes, those above their critical temperature as two.

    The halves lie at the means of the tracks to the left and to the right.
    """
    pairs = probabilities(tracks, state, temperature)
    hot = _critical(tracks, weight, state, pairs) > temperature
    if not hot.any():
        return state
    share = weight[pairs.track] * pairs.probability
    own, z = share / tracks.sigma[pairs.track] ** 2, tracks.z[pairs.track]
    is_left = z < state.z[pairs.prototype]
    halves = []
    for side in (is_left, ~is_left):
        total = np.bincount(pairs.prototype, own * side, len(state.z))
        place = np.bincount(pairs.prototype, own * side * z, len(state.z))
        part = np.bincount(pairs.prototype, share * side, len(state.z))
        whole = np.bincount(pairs.prototype, share, len(state.z))
        halves.append((total, place / np.maximum(total, 1e-300), part / np.maximum(whole, 1e-300)))
    (left, z_left, share_left), (right, z_right, share_right) = halves
    hot &= (left > 0) & (right > 0) & (z_right - z_left > MERGED)
    event = np.concatenate([state.event, state.event[hot]])
    place = np.concatenate([np.where(hot, z_left, state.z), z_right[hot]])
    rho = np.concatenate(
        [np.where(hot, state.weight * share_left, state.weight), (state.weight * share_right)[hot]]
    )
    order = np.lexsort((place, event))
    made = np.asarray(place, np.float64)
    return Prototypes(event[order], made[order], np.maximum(rho[order], LEAST))


def _merge(state: Prototypes) -> Prototypes:
    """Return the prototypes, those closer than `MERGED` to the one before joined with it."""
    key = state.event * APART + state.z
    is_new = np.ones(len(key), bool)
    is_new[1:] = np.diff(key) > MERGED
    if is_new.all():
        return state
    first = np.flatnonzero(is_new)
    rho = np.add.reduceat(state.weight, first)
    z = np.add.reduceat(state.weight * state.z, first) / np.maximum(rho, 1e-300)
    made = Prototypes(state.event[first], z, rho)
    return replace(made, z=np.where(rho > 0, z, state.z[first]))
