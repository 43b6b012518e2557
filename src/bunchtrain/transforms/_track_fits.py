"""Options of track fits, and fits of the tracks of a block of events from its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.errors import DataError, nearest
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.physics.kalman_filter import FittedTracks, Medium
from bunchtrain.physics.track_fit import AXES, MEASURED, MeasuredHits, Modules, fit
from bunchtrain.physics.track_matching import TrackList
from bunchtrain.tables.table import Table

Length = Annotated[float, Field(gt=0, le=2000), NUMBER]
Lengths = Annotated[float, Field(ge=0, le=1), NUMBER]
#: Radius in mm and radiation lengths of a cylinder.
Cylinder = Annotated[tuple[Length, Lengths], Field()]
#: 0.8 mm and 1.8 mm of beryllium, the beam pipe and the support tube of ACTS' generic detector.
SUPPORT = ((19.0, 0.8 / 352.8), (200.0, 1.8 / 352.8))
PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
#: Row and column of the elements of a covariance, as the columns of `acts_events` have them.
LOWER = np.tril_indices(5)
#: The number of the module of a hit, in the geometry and in the hits.
KEY = "surface"
_ROWS = 10_000


@dataclass(frozen=True)
class FitOptions(Options):
    """Field, particles and material of a track fit.

    field        along z in tesla.
    mass         of the particles in GeV.
    cylinders    radius in mm and radiation lengths of cylinders around the beam without hits.
    energy_loss  mean energy loss in MeV of a minimum ionising particle in one radiation length; 0
                 for ACTS' generic detector, whose silicon scatters but has next to no density.
    """

    field: Annotated[float, Field(ge=0.01, le=20), NUMBER] = 2.0
    mass: Annotated[float, Field(ge=0.0001, le=10), NUMBER] = 0.13957
    cylinders: Annotated[tuple[Cylinder, ...], Field(max_length=20)] = SUPPORT
    energy_loss: Annotated[float, Field(ge=0, le=1000), NUMBER] = 0.0

    def medium(self) -> Medium:
        """Return what the tracks go through."""
        return Medium(self.field, self.mass, self.cylinders, self.energy_loss / 1000)


class TrackFits:
    """Fits tracks of events with the modules of their detector.

    modules  the geometry, see `tables.geometry`.
    group    prefix of the columns of the hits.

    Raises DataError for a geometry without the axes of its modules or their material.
    """

    def __init__(self, geometry: Table | None, group: str, options: FitOptions) -> None:
        if geometry is None:
            raise DataError(
                "a track fit needs the conditions 'geometry' of the events, with the axes of the "
                "modules, as the source acts_events has them"
            )
        for name in (KEY, *AXES):
            if name not in geometry.fields():
                hint = nearest(name, geometry.fields())
                raise DataError(f"a track fit needs the column '{name}' of the geometry{hint}")
        rows = ak.concatenate(list(geometry.blocks([KEY, *AXES], _ROWS)))
        values = {name: ak.to_numpy(rows[name]).astype(np.float64) for name in AXES}
        self.modules = Modules.of(ak.to_numpy(rows[KEY]).astype(np.int64), values)
        self.columns = hit_columns(group)
        self.medium = options.medium()

    def __call__(self, columns: Mapping[str, Any], tracks: TrackList) -> FittedTracks:
        """Return the fits of the tracks of events.

        columns  those of the hits, lists of the events.
        """
        surface, *measured = (
            ak.to_numpy(ak.flatten(columns[name])).astype(kind)
            for name, kind in zip(self.columns, [np.int64, *[np.float64] * 4], strict=True)
        )
        values = dict(zip(MEASURED, measured, strict=True))
        return fit(
            tracks.size, tracks.hits, MeasuredHits(surface, values), self.modules, self.medium
        )


def hit_columns(group: str) -> list[str]:
    """Return the columns of hits that a fit reads."""
    return [f"{group}_{name}" for name in (KEY, *MEASURED)]


def tracks_of(column: ak.Array, counts: Any, name: str) -> TrackList:
    """Return tracks from lists of their hits, or from the index of the track of each hit.

    Raises DataError for lists of other lengths.
    """
    if column.ndim == 3:
        return TrackList.of_lists(column, counts, name)
    if column.ndim != 2 or not np.array_equal(ak.to_numpy(ak.num(column)), counts):
        raise DataError(
            f"'{name}' must have lists of the hits of each track, or the track of each hit"
        )
    return TrackList.of_labels(column)
