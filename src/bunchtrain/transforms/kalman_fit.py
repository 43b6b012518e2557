"""Kalman filter: parameters at the beam of tracks that are lists of hits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.physics.packed import starts
from bunchtrain.physics.track_matching import Ints, TrackList
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform, need_columns
from bunchtrain.transforms._track_fits import (
    LOWER,
    PARAMETERS,
    FitOptions,
    TrackFits,
    hit_columns,
    tracks_of,
)

_UNITS = {"d0": "mm", "z0": "mm", "phi": "rad", "theta": "rad", "qop": "1/GeV"}


class KalmanFit(Transform):
    """The events with the parameters of their tracks at the beam, by a Kalman filter.

    Helices in a uniform field along z, hits in the planes of their modules, multiple scattering in
    layers of the geometry; see `physics.kalman_filter` (arXiv:physics/0402039). New columns,
    with a value for each track: d0 and z0 in mm, phi and theta in rad, qop (q/p) in 1/GeV,
    covariance (15 numbers, the lower triangle of these five), chi2, ndf, and hits, the indices of
    its hits. A track with fewer than three hits, or one that does not reach the beam, has NaN.

    tracks   Column with lists of the hits of each track, as `track_hits`, or with the index of the
             track of each hit.
    output   Prefix of the new columns.
    group    Prefix of the columns of the hits: surface, loc0, loc1, variance0, variance1.
    options  Field, particles and material.

    Raises DataError for missing columns, a geometry without the axes of its modules, a module that
    it lacks, and hits without a measurement.
    """

    def __init__(
        self,
        source: Table,
        *,
        tracks: str = "track_hits",
        output: str = "fit",
        group: str = "hit",
        options: FitOptions = FitOptions(),  # noqa: B008
    ) -> None:
        super().__init__(source)
        self.tracks, self.output, self.group, self.options = tracks, output, group, options
        need_columns([tracks, *hit_columns(group)], source.fields(), "transform 'kalman_fit'")
        if taken := sorted(set(self.made) & set(source.fields())):
            raise StudyError(
                f"transform 'kalman_fit': the table has a column '{taken[0]}' already; give "
                "another 'output'"
            )

    @property
    def made(self) -> dict[str, str]:
        """New column → awkward type as text."""
        found = {f"{self.output}_{n}": "var * float32" for n in (*PARAMETERS, "chi2", "ndf")}
        found[f"{self.output}_covariance"] = "var * var * float32"
        return found | {f"{self.output}_hits": "var * var * int64"}

    def describe(self) -> str:
        """Return the transform with its options as text."""
        return f"kalman_fit {self.tracks} {self.output} {self.group} {self.options}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return self.source.fields() | self.made

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return self.source.units() | {f"{self.output}_{n}": unit for n, unit in _UNITS.items()}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events with the fits of their tracks."""
        kept = [name for name in columns if name not in self.made]
        if len(kept) == len(columns):
            yield from self.source.blocks(columns, rows)
            return
        fits = TrackFits(self.source.conditions.get("geometry"), self.group, self.options)
        for block in self.source.blocks([*{*kept, self.tracks, *fits.columns}], rows):
            found = {name: block[name] for name in kept} | self._fitted(block, fits)
            yield ak.zip({name: found[name] for name in columns}, depth_limit=1)

    def _fitted(self, block: ak.Array, fits: TrackFits) -> dict[str, ak.Array]:
        """Return the new columns of events."""
        counts = ak.to_numpy(ak.num(block[fits.columns[0]])).astype(np.int64)
        tracks = tracks_of(block[self.tracks], counts, self.tracks)
        made = fits({name: block[name] for name in fits.columns}, tracks)
        number = np.bincount(tracks.event, minlength=len(block))
        values = dict(zip(PARAMETERS, made.parameters.T, strict=True))
        values |= {"chi2": made.chi2, "ndf": made.ndf}
        found = {n: ak.unflatten(v.astype(np.float32), number) for n, v in values.items()}
        elements = made.covariance[:, LOWER[0], LOWER[1]].astype(np.float32)
        size = np.full(len(elements), elements.shape[1])
        found["covariance"] = _lists(elements.ravel(), size, number)
        found["hits"] = _lists(_within(tracks, counts), tracks.size, number)
        return {f"{self.output}_{name}": values for name, values in found.items()}


def _within(tracks: TrackList, counts: Ints) -> Ints:
    """Return the indices of the hits of tracks in their events."""
    return np.asarray(tracks.hits - starts(counts)[tracks.event[tracks.of_hit]])


def _lists(values: Any, size: Ints, number: Ints) -> ak.Array:
    """Return lists of each track of each event."""
    return ak.unflatten(ak.unflatten(values, size), number)
