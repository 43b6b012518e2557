"""Fits of tracks that are lists of hits, with the modules of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.physics.kalman_filter import FittedTracks, Medium, TrackHits, fit_tracks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Columns of the modules, beside their key.
AXES = (
    *("x", "y", "z", "axis0_x", "axis0_y", "axis0_z", "axis1_x", "axis1_y", "axis1_z"),
    "radiation_lengths",
)
#: Columns of the hits, beside that of the module.
MEASURED = ("loc0", "loc1", "variance0", "variance1")
#: The number of a module counts these in each layer, see `tables.geometry.surface_number`.
MODULES = 100_000
#: Smallest number of hits of a track that is fitted; others have NaN.
FEWEST = 3
#: Tracks that are fitted at once, and the largest number of hits of one.
_TRACKS, _MOST = 20_000, 100


@dataclass(frozen=True)
class Modules:
    """The modules of a detector by their numbers, (modules,) each.

    number  in rising order.
    values  column of `AXES` → values.
    """

    number: Ints
    values: Mapping[str, Floats]

    @classmethod
    def of(cls, number: Ints, values: Mapping[str, Floats]) -> Modules:
        """Return the modules in the order of their numbers."""
        order = np.argsort(number)
        return cls(number[order], {name: one[order] for name, one in values.items()})

    def rows(self, surface: Ints) -> Ints:
        """Return the row of each hit, (hits,).

        Raises DataError for a module that is not there.
        """
        if not len(self.number):
            raise DataError("the geometry has no modules; give that of the detector of the hits")
        row = np.minimum(np.searchsorted(self.number, surface), len(self.number) - 1)
        wrong = np.flatnonzero(self.number[row] != surface)
        if len(wrong):
            raise DataError(
                f"hit {wrong[0]} of the block is on module {surface[wrong[0]]}, which the geometry "
                "lacks; give the geometry of the same detector"
            )
        return row


@dataclass(frozen=True)
class MeasuredHits:
    """Hits of all events of a block: module and measurement in its plane, (hits,) each.

    values  column of `MEASURED` → values in mm and mm².
    """

    surface: Ints
    values: Mapping[str, Floats]

    def check(self) -> None:
        """Raise DataError, naming the first, for a value that is no number or no variance."""
        for name, one in self.values.items():
            wrong = ~np.isfinite(one) | (name.startswith("variance") & (one <= 0))
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                raise DataError(
                    f"'{name}' of hit {at} of the block is {one[at]:g}; a fit needs finite "
                    "measurements with variances above 0, so remove such hits"
                )


def fit(
    size: Ints, hits: Ints, measured: MeasuredHits, modules: Modules, medium: Medium
) -> FittedTracks:
    """Return the fits of all tracks; NaN for those with fewer than three hits.

    size  (tracks,) number of hits.
    hits  (sum of the sizes,) indices of hits, track by track.

    Raises DataError for modules that are unknown and hits without a measurement.
    """
    measured.check()
    row = modules.rows(measured.surface)
    count = len(size)
    found = FittedTracks(
        np.full((count, 5), np.nan),
        np.full((count, 5, 5), np.nan),
        np.full(count, np.nan),
        np.full(count, np.nan),
    )
    for tracks, padded in _blocks(size):
        index = np.where(padded >= 0, hits[padded], -1) if len(hits) else padded
        with np.errstate(all="ignore"):  # of helices that do not reach the next plane
            made = fit_tracks(_gather(index, measured, modules, row), medium)
        good = np.isfinite(made.covariance).all((1, 2)) & np.isfinite(made.parameters).all(1)
        for name in ("parameters", "covariance", "chi2", "ndf"):
            getattr(found, name)[tracks[good]] = getattr(made, name)[good]
    return found


def _blocks(size: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield tracks of similar numbers of hits, and the padded places of their hits, −1 for none."""
    start = np.cumsum(size) - size
    chosen = np.flatnonzero((size >= FEWEST) & (size <= _MOST))
    chosen = chosen[np.argsort(size[chosen], kind="stable")]
    for first in range(0, len(chosen), _TRACKS):
        tracks = chosen[first : first + _TRACKS]
        place = np.arange(size[tracks].max())
        padded = start[tracks][:, None] + place
        yield tracks, np.where(place < size[tracks][:, None], padded, -1)


def _gather(index: Ints, measured: MeasuredHits, modules: Modules, row: Ints) -> TrackHits:
    """Return the hits of tracks from outside to inside; index (tracks, hits), −1 for none."""
    is_hit = index >= 0
    module = {name: one[row[index]] for name, one in modules.values.items()}
    centre, u, v = (
        np.stack([module[f"{axis}{k}"] for k in "xyz"], 2) for axis in ("", "axis0_", "axis1_")
    )
    local = np.stack([measured.values[name][index] for name in MEASURED[:2]], 2)
    variance = np.stack([measured.values[name][index] for name in MEASURED[2:]], 2)
    place = centre + local[:, :, :1] * u + local[:, :, 1:] * v
    distance = np.where(is_hit, np.linalg.norm(place, axis=2), -1.0)
    order = np.argsort(-distance, axis=1, kind="stable")

    def sort(values: Any) -> Any:
        rows = order if values.ndim == 2 else order[:, :, None]
        return np.take_along_axis(values, rows, axis=1)

    layer = sort(np.where(is_hit, modules.number[row[index]] // MODULES, -1))
    lengths = sort(np.where(is_hit, module["radiation_lengths"], 0.0))
    lengths[:, 1:][layer[:, 1:] == layer[:, :-1]] = 0.0  # two modules of a layer overlap
    centre, u, v, local, variance = map(sort, (centre, u, v, local, variance))
    return TrackHits(centre, u, v, local, variance, lengths, sort(is_hit))
