"""Colours of hits by what became of them on tracks: found, missed, made up, or off its track."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.displays.colours import Colouring
from bunchtrain.errors import DataError
from bunchtrain.physics.track_matching import OUTCOMES, MatchedTracks, TrackList, TrueParticles

#: Groups of points that tracks are made of, and the end of the names of lists of these.
POINTS, LISTS = ("hit",), "_hits"
#: Smallest number of hits of a particle that can be missed.
LEAST = 3


def track_outcome(title: str, group: str, tracks: TrackList, truth: Any) -> Colouring:
    """Return the colouring of the points of an event by what became of them.

    title  of the tracks.
    group  of the points.
    truth  (points,) number of the particle, negative for none.
    """
    particles = TrueParticles.of(ak.Array([np.asarray(truth, np.int64)]))
    outcome = MatchedTracks.of(tracks, particles).outcome("lhcb", LEAST)
    values = outcome.astype(np.float64)
    return Colouring(f"{title}, found or missed", group, "category", values, OUTCOMES)


def found_tracks(
    columns: Mapping[str, Any], group: str, particle: str | None = None
) -> list[Colouring]:
    """Return a colouring for each column of an event with the points of tracks, as `track_hits`.

    columns   of the event.
    group     of the points.
    particle  column with the particle of each point; `<group>_particle` if None.
    """
    truth = columns.get(particle or f"{group}_particle")
    if not isinstance(truth, ak.Array) or truth.ndim != 1:
        return []
    counts, found = np.array([len(truth)]), []
    for name, lists in columns.items():
        if not name.endswith(LISTS) or not isinstance(lists, ak.Array) or lists.ndim != 2:
            continue
        try:
            tracks = TrackList.of_lists(lists[np.newaxis], counts, name)
        except (DataError, ValueError):  # lists of other things
            continue
        found.append(track_outcome(name.removesuffix(LISTS), group, tracks, ak.to_numpy(truth)))
    return found
