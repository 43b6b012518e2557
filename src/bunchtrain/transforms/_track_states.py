"""Measurements of tracks with the predictions of a Kalman filter, padded to the longest track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.physics.packed import starts
from bunchtrain.tables.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Columns of events that are read.
READ = (
    *("hit_loc0", "hit_loc1", "hit_variance0", "hit_variance1"),
    *("hit_surface", "hit_volume", "hit_layer"),
    *("state_track", "state_hit", "state_outlier"),
    *("track_particle", "track_qop", "track_theta", "particle_pdg"),
    *("state_predicted_loc0", "state_predicted_loc1", "state_predicted_covariance"),
)
_AXES = tuple(f"axis{number}_{axis}" for number in (0, 1) for axis in "xyz")


@dataclass(frozen=True)
class Modules:
    """Middles and local axes of modules, sorted by their numbers.

    surface  (modules,) numbers.
    middle   (modules, 3) in mm; axes (modules, 2, 3).
    """

    surface: Ints
    middle: Floats
    axes: Floats

    @classmethod
    def read(cls, geometry: Table) -> Modules:
        """Return the modules of a geometry; DataError if it has no axes."""
        columns = ("surface", *"xyz", *_AXES)
        for name in columns:
            if name not in geometry.fields():
                raise DataError(f"the geometry has no column '{name}', which describes its modules")
        table = ak.concatenate(list(geometry.blocks(columns, 100_000)))
        found = {name: ak.to_numpy(table[name]) for name in columns}
        order = np.argsort(found["surface"])
        middle = np.stack([found[axis] for axis in "xyz"], -1)[order].astype(np.float64)
        axes = np.stack([found[name] for name in _AXES], -1)[order].astype(np.float64)
        return cls(found["surface"][order].astype(np.int64), middle, axes.reshape(-1, 2, 3))

    def rows(self, surface: Ints) -> Ints:
        """Return the row of each number, −1 for one that is not there."""
        place = np.minimum(np.searchsorted(self.surface, surface), len(self.surface) - 1)
        return np.where(self.surface[place] == surface, place, -1)


@dataclass(frozen=True)
class Tracks:
    """Tracks with at most m measurements, in the order of a Kalman filter, (n, m) each.

    event, index   (n,) event in the block, and index of the track in it.
    pt, eta, pdg   (n,) of the track in GeV and of its particle, 0 without one.
    count          (n,) number of measurements; those beyond repeat the last one.
    middle, axes   (n, m, 3) and (n, m, 2, 3) of the modules.
    local          (n, m, 2) measured, variance of the same shape, in mm.
    predicted      (n, m, 2) by the filter; covariance (n, m, 3): 00, 10, 11 of the prediction.
    """

    event: Ints
    index: Ints
    pt: Floats
    eta: Floats
    pdg: Ints
    count: Ints
    surface: Ints
    volume: Ints
    layer: Ints
    middle: Floats
    axes: Floats
    local: Floats
    variance: Floats
    predicted: Floats
    covariance: Floats


def tracks_of(events: ak.Array, modules: Modules, first: int) -> Tracks:
    """Return the tracks of a block of events, without outliers; `first` is its first entry.

    Raises DataError, naming event and track, for a state without hit or module, or not finite.
    """
    chosen = events["state_outlier"] == 0
    track = events["state_track"][chosen]
    hit = events["state_hit"][chosen]
    counts = ak.to_numpy(ak.num(track))
    event = np.repeat(np.arange(len(counts)), counts)
    flat_track = ak.to_numpy(ak.flatten(track)).astype(np.int64)
    hits = ak.num(events["hit_loc0"])
    if ak.any(hit < 0) or ak.any(hit >= hits):
        wrong = ak.to_numpy(ak.flatten((hit < 0) | (hit >= hits)))
        raise _problem(wrong, event, flat_track, first, "a state has a hit that does not exist")
    values = {n: ak.to_numpy(ak.flatten(events[n][hit])) for n in READ if n.startswith("hit_")}
    values |= {
        n: ak.to_numpy(ak.flatten(events[n][chosen])) for n in READ if n.startswith("state_pre")
    }
    row = modules.rows(values["hit_surface"].astype(np.int64))
    _require(values, row, event, flat_track, first)
    return _padded(events, values, row, event, flat_track, modules)


def _require(
    values: dict[str, NDArray[np.generic]], row: Ints, event: Ints, track: Ints, first: int
) -> None:
    if np.any(row < 0):
        number = values["hit_surface"][np.argmax(row < 0)]
        text = f"its module {number} is not in the geometry; give that of the events"
        raise _problem(row < 0, event, track, first, text)
    for name, value in values.items():
        if value.dtype.kind == "f":
            wrong = ~np.isfinite(value).all(axis=tuple(range(1, value.ndim)))
            if wrong.any():
                raise _problem(wrong, event, track, first, f"'{name}' is not finite; leave it out")
    for name in ("hit_variance0", "hit_variance1"):
        wrong = values[name].astype(float) <= 0
        if wrong.any():
            raise _problem(wrong, event, track, first, f"'{name}' is not above 0")


def _problem(
    wrong: NDArray[np.bool_], event: Ints, track: Ints, first: int, what: str
) -> DataError:
    at = int(np.argmax(wrong))
    return DataError(
        f"transform 'track_measurements': event {first + event[at]}, track {track[at]}: {what}"
    )


def _padded(
    events: ak.Array,
    values: dict[str, NDArray[np.generic]],
    row: Ints,
    event: Ints,
    track: Ints,
    modules: Modules,
) -> Tracks:
    order = np.lexsort((np.arange(len(track)), track, event))
    keys = np.column_stack([event, track])[order]
    pairs, start, count = np.unique(keys, axis=0, return_index=True, return_counts=True)
    slot = np.arange(int(count.max(initial=1)))
    at = order[start[:, None] + np.minimum(slot, count[:, None] - 1)] if len(pairs) else None
    at = np.zeros((0, len(slot)), np.int64) if at is None else at

    def pair(first: str, second: str) -> Floats:
        return np.stack([values[first][at], values[second][at]], -1).astype(np.float64)

    covariance = values["state_predicted_covariance"][at][..., :3].astype(np.float64)
    return Tracks(
        event=pairs[:, 0],
        index=pairs[:, 1],
        **_of_tracks(events, pairs),
        count=count,
        surface=values["hit_surface"][at].astype(np.int64),
        volume=values["hit_volume"][at].astype(np.int64),
        layer=values["hit_layer"][at].astype(np.int64),
        middle=modules.middle[row[at]],
        axes=modules.axes[row[at]],
        local=pair("hit_loc0", "hit_loc1"),
        variance=pair("hit_variance0", "hit_variance1"),
        predicted=pair("state_predicted_loc0", "state_predicted_loc1"),
        covariance=covariance,
    )


def _of_tracks(events: ak.Array, pairs: Ints) -> dict[str, NDArray[Any]]:
    """Return pT, η and the number of the particle of tracks, pairs (n, 2) of event and index."""
    number = ak.to_numpy(ak.num(events["track_particle"]))
    at = starts(number)[pairs[:, 0]] + pairs[:, 1]
    flat = {n: ak.to_numpy(ak.flatten(events[n])) for n in READ if n.startswith("track_")}
    qop, theta = (flat[n][at].astype(np.float64) for n in ("track_qop", "track_theta"))
    particle = flat["track_particle"][at].astype(np.int64)
    number = ak.to_numpy(ak.num(events["particle_pdg"]))
    pdg = np.append(ak.to_numpy(ak.flatten(events["particle_pdg"])), 0).astype(np.int64)
    of = starts(number)[pairs[:, 0]] + particle
    return {
        "pt": np.sin(theta) / np.maximum(np.abs(qop), 1e-9),
        "eta": -np.log(np.tan(theta / 2)),
        "pdg": pdg[np.where(particle < 0, -1, of)],
    }
