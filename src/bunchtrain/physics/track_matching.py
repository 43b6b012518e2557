"""Tracks as lists of hits, which may share some, and the particle of most hits of each track."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.physics.packed import starts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
#: Matching → smallest purity and completeness of a matched track, both excluded for TrackML.
MATCHING = {"lhcb": (0.7, 0.0), "double_majority": (0.5, 0.5)}
#: What became of a hit: it is on a track of its particle, of a particle without a track, on a track
#: of no particle, or of a particle whose track lacks it.
OUTCOMES = ("found", "missed", "made up", "off its track")


@dataclass(frozen=True)
class TrueParticles:
    """Particles with hits, in the order of their events and identifiers.

    counts      (events,) hits of each event.
    event       (particles,).
    identifier  (particles,) not negative.
    size        (particles,) number of hits.
    of_hit      (hits,) index of the particle of each hit of all events, −1 for noise.
    """

    counts: Ints
    event: Ints
    identifier: Ints
    size: Ints
    of_hit: Ints

    @classmethod
    def of(cls, truth: ak.Array) -> TrueParticles:
        """Return the particles of events.

        truth  identifier of the particle of each hit, negative for noise, a list for each event.
        """
        counts = ak.to_numpy(ak.num(truth)).astype(np.int64)
        flat = ak.to_numpy(ak.flatten(truth)).astype(np.int64)
        event = np.repeat(np.arange(len(counts)), counts)
        known = flat >= 0
        names, rank = np.unique(flat[known], return_inverse=True)  # identifiers may be large
        width = max(1, len(names))
        keys, index, size = np.unique(
            event[known] * width + rank, return_inverse=True, return_counts=True
        )
        of_hit = np.full(len(flat), -1, np.int64)
        of_hit[known] = index
        identifier = names[keys % width] if len(names) else keys
        return cls(counts, keys // width, identifier, size, of_hit)


@dataclass(frozen=True)
class TrackList:
    """Tracks of many events, in the order of the events.

    event  (tracks,).
    size   (tracks,) number of hits.
    hits   (sum of the sizes,) indices among the hits of all events, track by track.
    """

    event: Ints
    size: Ints
    hits: Ints

    @cached_property
    def of_hit(self) -> Ints:
        """The track of each row of `hits`."""
        return np.repeat(np.arange(len(self.size)), self.size)

    @classmethod
    def of_labels(cls, objects: ak.Array) -> TrackList:
        """Return the tracks of labels: the track of each hit, negative for none, as lists."""
        found = TrueParticles.of(objects)
        rows = np.flatnonzero(found.of_hit >= 0)
        return cls(found.event, found.size, rows[np.argsort(found.of_hit[rows], kind="stable")])

    @classmethod
    def of_lists(cls, lists: ak.Array, counts: Ints, name: str) -> TrackList:
        """Return the tracks of lists of hits.

        lists   (events, tracks, hits) indices of hits in their event; one that is repeated on a
                track counts once.
        counts  (events,) hits of each event.
        name    of the column, for messages.

        Raises DataError, with the event, for an index that is no hit, and for other lists.
        """
        if lists.ndim != 3:
            raise DataError(f"'{name}' must have a list of hits for each track of each event")
        tracks = ak.to_numpy(ak.num(lists)).astype(np.int64)
        event = np.repeat(np.arange(len(tracks)), tracks)
        of = np.repeat(np.arange(len(event)), ak.to_numpy(ak.num(ak.flatten(lists))))
        hit = ak.to_numpy(ak.flatten(lists, axis=None)).astype(np.int64)
        wrong = np.flatnonzero((hit < 0) | (hit >= counts[event[of]]))
        if len(wrong):
            at = event[of[wrong[0]]]
            raise DataError(
                f"'{name}': a track of event {at} of the test set has the hit {hit[wrong[0]]}, and "
                f"the event has {counts[at]} hits, which count from 0"
            )
        every = hit + starts(counts)[event[of]]
        width = max(1, int(counts.sum()))
        keys = np.unique(of * width + every)
        size = np.bincount(keys // width, minlength=len(event)).astype(np.int64)
        return cls(event, size, keys % width)


@dataclass(frozen=True)
class MatchedTracks:
    """Tracks with the particle of most of their hits.

    particle  (tracks,) index among the particles, −1 for a track of noise alone.
    majority  (tracks,) number of its hits on the track.
    """

    tracks: TrackList
    particles: TrueParticles
    particle: Ints
    majority: Ints

    @classmethod
    def of(cls, tracks: TrackList, particles: TrueParticles) -> MatchedTracks:
        """Return each track with its particle; of those with equal numbers of hits the last."""
        own = particles.of_hit[tracks.hits]
        known, width = own >= 0, max(1, len(particles.event))
        pairs, shared = np.unique(tracks.of_hit[known] * width + own[known], return_counts=True)
        order = np.lexsort((shared, pairs // width))  # the largest of each track last
        particle = np.full(len(tracks.event), -1, np.int64)
        majority = np.zeros(len(tracks.event), np.int64)
        particle[pairs[order] // width] = pairs[order] % width
        majority[pairs[order] // width] = shared[order]
        return cls(tracks, particles, particle, majority)

    @property
    def purity(self) -> Floats:
        """Fraction of the hits of each track that are of its particle, (tracks,)."""
        return self.majority / np.maximum(self.tracks.size, 1)

    @property
    def completeness(self) -> Floats:
        """Fraction of the hits of its particle that are on the track, (tracks,)."""
        size = np.append(self.particles.size, 1)[self.particle]
        return np.where(self.particle >= 0, self.majority / size, 0.0)

    def matched(self, matching: str) -> NDArray[np.bool_]:
        """Return whether each track belongs to its particle, (tracks,)."""
        purity, completeness = MATCHING[matching]
        if matching == "lhcb":
            return (self.purity >= purity) & (self.particle >= 0)
        return (self.purity > purity) & (self.completeness > completeness)

    def found(self, matched: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether a matched track belongs to each particle, (particles,)."""
        found = np.zeros(len(self.particles.event), bool)
        found[self.particle[matched]] = True
        return found

    def outcome(self, matching: str, least: int) -> Ints:
        """Return the index in `OUTCOMES` of each hit, −1 for none of them, (hits,).

        least  smallest number of hits of a particle that can be missed.
        """
        matched = self.matched(matching)
        of, hits, own = self.tracks.of_hit, self.tracks.hits, self.particles.of_hit
        is_found = np.append(self.found(matched), False)
        is_missed = np.append((self.particles.size >= least) & ~is_found[:-1], False)
        outcome = np.full(len(own), -1, np.int64)
        outcome[is_missed[own]] = 1
        outcome[is_found[own]] = 3
        outcome[hits[~matched[of]]] = 2
        outcome[hits[matched[of] & (own[hits] == self.particle[of])]] = 0
        return outcome
