"""Tracks measurement by measurement: what was seen before each, where it was expected.

From the first measurement after three layers on, each measurement has the place where a helix
through the earlier ones meets its module, and the prediction of a Kalman filter there. The helix is
a weighted fit whose weights have the resolution and, for each earlier measurement j, the variance
θ² Σ_i (s_i − s_j)² by multiple scattering in the modules i after it, without their correlations;
θ = 13.6 MeV/(βp) √(x/X₀) (Highland, Nucl. Instrum. Meth. 129 (1975) 497).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError, nearest
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.transforms._track_states import READ, Modules, tracks_of
from bunchtrain.transforms._track_steps import OF_STEPS, OF_TRACKS, track_steps

#: Columns of each row: the entry of its event in the source, and the index of the track in it.
EVENT, TRACK = "source_entry", "track_index"
Material = Annotated[float, Field(ge=0, le=1), NUMBER]
Tesla = Annotated[float, Field(ge=0.1, le=10), NUMBER]


class TrackMeasurements(Transform):
    """One row for each track, with a list `measurement_*` from the fourth measurement on.

    Reads the columns `hit_*`, `track_*`, `state_*` of `acts_events` with `states`, and its modules.
    Left out are outliers, measurements until three layers are seen, and tracks without a
    measurement after these. Columns of events are repeated; besides them there are `source_entry`,
    `track_index`, `track_pt`, `track_eta`, `track_pdg` of its particle, 0 without one, and
    `measurement_loc0`, `_loc1`, `_variance0`, `_variance1`, `_surface`, `_volume`, `_layer`;
    `_number`, how many were seen before; `_fit0` and `_fit1`, where the helix meets the module, and
    `_scale0` and `_scale1`, its standard deviation with the resolution, all in mm; these are
    positive where the local axis points along the bend, and away from the middle in z.
    `_residual0` and `_residual1` are (loc − fit) / scale. In the same units there are predictions
    of the measurement, `_helix_…` by the fit and `_kalman_…` by the filter: `_loc0`, `_loc1`,
    `_loc0_sigma`, `_loc1_sigma` and `_loc0_loc1_correlation`; `_stiff0`, … and `_loose0`, … are
    those of fits with a tenth and ten times the scattering in the weights. All others describe the
    earlier measurements and the two modules, see the study `track_follower`.

    material  thickness of a module in radiation lengths, for the weights of the fit.
    field     along the beam in tesla.

    Raises StudyError without the columns or modules, DataError, naming event and track, for values
    that are not finite and modules that the geometry lacks.
    """

    def __init__(self, source: Table, *, material: Material = 0.012, field: Tesla = 2.0) -> None:
        super().__init__(source)
        available = source.fields()
        for column in READ:
            if column not in available:
                raise StudyError(
                    f"transform 'track_measurements': there is no column '{column}'"
                    f"{nearest(column, available)}; give it 'acts_events' with 'states: true'"
                )
        if "geometry" not in source.conditions:
            raise StudyError(
                "transform 'track_measurements': the table has no geometry; give it the events of "
                "'acts_events'"
            )
        self.material, self.tesla, self.row = material, field, "track"
        self.modules = Modules.read(source.conditions["geometry"])
        self._events = [n for n, kind in available.items() if "*" not in kind]

    def describe(self) -> str:
        """Return the transform with its options as text."""
        return f"track_measurements 2 {(self.material, self.tesla)}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        known = self.source.fields()
        found = {name: known[name] for name in self._events} | {EVENT: "int64", TRACK: "int64"}
        found |= dict(OF_TRACKS)
        return found | {f"measurement_{name}": f"var * {kind}" for name, kind in OF_STEPS.items()}

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        known = self.source.units()
        found = {name: known[name] for name in self._events if name in known}
        found |= {"track_pt": "GeV"}
        lengths = ("loc0", "loc1", "fit0", "fit1", "scale0", "scale1", "radius", "z")
        return found | {f"measurement_{name}": "mm" for name in lengths}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the tracks in the order of the events, as records of these columns."""
        for table, _ in self.blocks_of_events(columns, rows):
            for start in range(0, max(1, len(table)), rows):
                yield table[start : start + rows]

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the tracks of at most `events` events, and the number of each (events,)."""
        needed, first = [*READ, *(n for n in columns if n in self._events)], 0
        for block in self.source.blocks(needed, min(events, 200)):
            tracks = tracks_of(block, self.modules, first)
            made: Mapping[str, Any] = track_steps(tracks, self.material, self.tesla)
            event = tracks.event[made["kept"]]
            own = {EVENT: first + event, TRACK: tracks.index[made["kept"]]}
            own |= {name: block[name][event] for name in columns if name in self._events}
            table = {name: own[name] if name in own else made[name] for name in columns}
            first += len(block)
            yield ak.zip(table, depth_limit=1), np.bincount(event, minlength=len(block))
