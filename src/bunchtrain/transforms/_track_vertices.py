"""Base of transforms that assign tracks to vertices along the beam."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.physics.packed import flat_values, positions
from bunchtrain.physics.vertex_fit import lower_triangle
from bunchtrain.transforms._clustering import Clustering, Floats, Ints

#: Exceeds all distances along the beam in mm, so that tracks of two events are never close.
APART = 1e5


@dataclass(frozen=True)
class Places:
    """Tracks at the beam, (tracks,) each.

    event         index of the event.
    z, sigma      in mm.
    significance  |d0| in standard deviations.
    """

    event: Ints
    z: Floats
    sigma: Floats
    significance: Floats


class TrackVertices(Clustering):
    """Assigns tracks to vertices.

    group  prefix of the columns d0, z0 and covariance of the tracks.
    least  smallest number of tracks of a vertex.
    """

    def __init__(self, group: str, least: int) -> None:
        self.group, self.least = group, least

    def needs(self) -> list[str]:
        """Return the columns of events that it reads beside predictions."""
        return [f"{self.group}_{name}" for name in ("d0", "z0", "covariance")]

    def items(self, events: ak.Array, counts: Ints) -> Ints:
        """Return the number of tracks of each event, (events,)."""
        return np.asarray(ak.num(events[f"{self.group}_z0"]), np.int64)

    def read(self, events: ak.Array) -> Places:
        """Return the tracks of a block of events.

        Raises DataError, with event and track, for values that are not finite, places that no
        detector has, and variances that are not positive.
        """
        counts = self.items(events, np.zeros(0, np.int64))
        d0, z0 = (flat_values(events[f"{self.group}_{n}"]) for n in ("d0", "z0"))
        covariance = flat_covariance(events[f"{self.group}_covariance"], len(z0))
        variances = covariance[:, 0, 0], covariance[:, 1, 1]
        right = np.isfinite(d0) & (np.abs(z0) < APART / 2)  # NaN is not
        for one in variances:
            right &= np.isfinite(one) & (one > 0)
        if not right.all():
            at = int(np.flatnonzero(~right)[0])
            own = int(np.searchsorted(np.cumsum(counts), at, side="right"))
            raise DataError(
                f"transform '{self.name}': track {at - int(counts[:own].sum())} of event {own} "
                f"in this block has d0 {d0[at]:g} and z0 {z0[at]:g} mm with variances "
                f"{variances[0][at]:g} and {variances[1][at]:g}; remove tracks without finite "
                "numbers, positive variances and |z0| below 50 m"
            )
        event = np.repeat(np.arange(len(counts)), counts)
        return Places(event, z0, np.sqrt(variances[1]), np.abs(d0) / np.sqrt(variances[0]))


def flat_covariance(lists: ak.Array, tracks: int) -> Floats:
    """Return the covariance of all tracks, (tracks, 5, 5), from lists of 15 numbers each.

    tracks  number of tracks of all events.

    Raises DataError for lists of other lengths.
    """
    flat = np.asarray(ak.flatten(lists, axis=None), np.float64)
    if len(flat) != 15 * tracks:
        raise DataError(
            f"the column of the covariances has {len(flat):,} numbers for {tracks:,} tracks, which "
            "need 15 each, the lower triangle of d0, z0, phi, theta and qop"
        )
    return lower_triangle(flat.reshape(-1, 15))


def associate(
    tracks: Places, event: Ints, z: Floats, sigma: Floats, weight: Floats, cut: float
) -> Ints:
    """Return the most probable vertex of each track, (tracks,), −1 for none.

    The probability of vertex k for track i is proportional to
    w_k exp(−χ²/2)/s with s² = σ_i² + σ_k² and χ = (z_i − z_k)/s; vertices with |χ| > cut have none.

    event, z, sigma, weight  (vertices,), events rising and z rising within each.
    """
    key, reach = event * APART + z, cut * np.hypot(tracks.sigma, sigma.max(initial=0))
    at = tracks.event * APART + tracks.z
    first, last = np.searchsorted(key, at - reach), np.searchsorted(key, at + reach)
    count = last - first
    track = np.repeat(np.arange(len(at)), count)
    vertex = first[track] + positions(count)
    s = np.hypot(tracks.sigma[track], sigma[vertex])
    chi = (at[track] - key[vertex]) / s
    kept = (np.abs(chi) <= cut) & (event[vertex] == tracks.event[track])
    track, vertex, chi, s = track[kept], vertex[kept], chi[kept], s[kept]
    score = np.log(weight[vertex]) - chi**2 / 2 - np.log(s)
    order = np.lexsort((score, track))
    found = np.full(len(at), -1, np.int64)
    found[track[order]] = vertex[order]  # the last one is the most probable
    return found
