"""What is kept of each event of ACTS' sequence; imported in child processes only."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import acts
import acts.arrow
import acts.examples as examples
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
QUIET = acts.logging.WARNING
ARROW_TABLES = ("particles_table", "hits_table", "tracks_table")
#: Prefix of what a second search with wider seeds gives, and its table.
WIDE = "wide_"
WIDE_TABLE = "wide_tracks_table"
#: Row and column of the lower triangle of a covariance of d0 or loc0, z0 or loc1, φ, θ, q/p.
TRIANGLE = np.tril_indices(5)
_PAIRS = [(int(i), int(j)) for i, j in zip(*TRIANGLE, strict=True)]
STATE_KINDS = ("predicted", "filtered", "smoothed")
_COVARIANCES = tuple(f"{kind}Covariance" for kind in STATE_KINDS)


@dataclass
class Taken:
    """What a part has given, one entry for each event.

    arrow   name of a table → tables of one row.
    tracks  parameters (tracks, 6), covariance (tracks, 6, 6), chi2, ndf, nMeasurements, nHoles,
            nOutliers (tracks,).
    wide    the same of the second search, if there is one.
    states  rows of the states on the tracks, see `read_states`.
    """

    arrow: dict[str, list[Any]] = field(default_factory=dict)
    tracks: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    wide: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    states: list[Floats] = field(default_factory=list)


class Tap(examples.IAlgorithm):  # type: ignore[misc]
    """Keeps the tables and the arrays of the tracks of each event."""

    def __init__(self, taken: Taken, with_states: bool, is_wide: bool) -> None:
        examples.IAlgorithm.__init__(self, "Tap", QUIET)
        self.taken, self.with_states = taken, with_states
        kinds = dict.fromkeys(ARROW_TABLES, acts.arrow.ArrowTable)
        kinds["tracks"] = examples.ConstTrackContainer
        if is_wide:
            kinds[WIDE_TABLE] = acts.arrow.ArrowTable
            kinds[f"{WIDE}tracks"] = examples.ConstTrackContainer
        self.handles = {}
        for name, kind in kinds.items():
            self.handles[name] = examples.ReadDataHandle(self, kind, name)
            self.handles[name].initialize(name)

    def execute(self, context: Any) -> Any:
        """Keep what an event has."""
        found = {name: handle(context.eventStore) for name, handle in self.handles.items()}
        for name in (*ARROW_TABLES, WIDE_TABLE):
            if name in found:
                self.taken.arrow.setdefault(name, []).append(found[name].as_table())
        self.taken.tracks.append(_arrays(found["tracks"]))
        if f"{WIDE}tracks" in found:
            self.taken.wide.append(_arrays(found[f"{WIDE}tracks"]))
        if self.with_states:
            self.taken.states.append(read_states(found["tracks"]))
        return examples.ProcessCode.SUCCESS


def _arrays(tracks: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays of the tracks of an event, see `Taken`."""
    names = ("parameters", "covariance", "chi2", "ndf", "nMeasurements", "nHoles", "nOutliers")
    return {name: np.array(getattr(tracks, name)) for name in names}


def read_states(tracks: Any) -> Floats:
    """Return the states with a measurement of the tracks of an event, from inside to outside.

    The package has no arrays of states, so that this is a loop; its vectors are read by their
    buffers, its matrices by elements, which is all that they have. Each row has: track,
    measurement, whether it is an outlier, its χ²; for predicted, filtered and smoothed the
    parameters loc0, loc1 in mm, φ, θ in rad and q/p in 1/GeV, then the lower triangles of their
    covariances.
    """
    found = array("d")
    for number, track in enumerate(tracks):
        states = [s for s in track.trackStatesReversed if s.hasCalibrated and s.hasSmoothed]
        for state in reversed(states):
            link = examples.IndexSourceLink.fromSourceLink(state.uncalibratedSourceLink)
            found.extend((number, link.index(), state.typeFlags.isOutlier, state.chi2))
            for kind in STATE_KINDS:
                found.extend(memoryview(getattr(state, kind)).tolist()[:5])
            for matrix in _COVARIANCES:
                found.extend(map(getattr(state, matrix).__getitem__, _PAIRS))
    return np.array(found).reshape(-1, 4 + 3 * (5 + len(_PAIRS)))
