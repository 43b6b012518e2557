"""Neutrino events in water or ice, in the layout of Prometheus (arXiv:2304.14526) as Parquet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bunchtrain.errors import DataError, nearest
from bunchtrain.tables.geometry import Geometry
from bunchtrain.tables.reading.paths import check, fingerprint, openable, resolve_one
from bunchtrain.tables.sources._event_files import check_finite
from bunchtrain.tables.sources.files import unknown_column
from bunchtrain.tables.table import Table

_PULSE = ("sensor_id", "sensor_string_id", "sensor_pos_x", "sensor_pos_y", "sensor_pos_z", "t")
_LAYOUT = {
    "event_no": "int64",
    **{f"pulse_{n}": "var * float64" for n in ("x", "y", "z", "time")},
    **{f"pulse_{n}": "var * int64" for n in ("string", "sensor")},
}
#: Columns of the geometry in files of GraphNeT → here.
_GEOMETRY = ("dom_x", "dom_y", "dom_z"), ("sensor_pos_x", "sensor_pos_y", "sensor_pos_z")
_METRES = 1000.0


class PrometheusEvents(Table):
    """Pulses of photons on the sensors of a neutrino telescope, with the truth of the neutrino.

    Columns: `event_no`; `pulse_x`, `pulse_y`, `pulse_z` of the sensor in mm, `pulse_time` in ns,
    `pulse_string`, `pulse_sensor`, the number of the sensor on its string; and every number of the
    truth, `injection_energy` in GeV, `injection_zenith` and so on, as it is in the file, positions
    in mm. An event without pulses has empty lists.

    files     Parquet file with a row for each pulse: `event_no`, `sensor_id`, `sensor_string_id`,
              `sensor_pos_x`, `_y`, `_z` in m, `t` in ns.
    truth     Parquet file with a row for each event, by `event_no`.
    geometry  Parquet file of the sensors: it becomes the conditions `geometry`, by `sensor`.
    """

    def __init__(self, *, files: str, truth: str, geometry: str | None = None) -> None:
        self._pulses = resolve_one(files, "prometheus_events")
        self._truth_file = resolve_one(truth, "prometheus_events")
        self._sensors = None if geometry is None else resolve_one(geometry, "prometheus_events")

    def fingerprint(self) -> str:
        """Return a text that changes with the files."""
        files = [self._pulses, self._truth_file, *([self._sensors] if self._sensors else [])]
        return f"prometheus_events 1 {[fingerprint(path) for path in files]}"

    @cached_property
    def _truth(self) -> dict[str, Any]:
        """Column → numbers (events,), with `event_no` rising."""
        table = _read(self._truth_file, ("event_no",))
        found = {
            name: table[name].to_numpy(zero_copy_only=False)
            for name in table.column_names
            if pa.types.is_integer(table[name].type) or pa.types.is_floating(table[name].type)
        }
        number, counts = np.unique(found["event_no"], return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f"'{self._truth_file}': event {number[np.argmax(counts)]} is there twice"
            )
        order = np.argsort(found["event_no"])
        lengths = [name for name in found if "_position_" in name]
        return {n: v[order] * (_METRES if n in lengths else 1) for n, v in found.items()}

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return _LAYOUT | {n: str(v.dtype) for n, v in self._truth.items() if n != "event_no"}

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        found = {f"pulse_{axis}": "mm" for axis in "xyz"} | {"pulse_time": "ns"}
        found |= {n: "mm" for n in self._truth if "_position_" in n}
        found |= {n: "GeV" for n in self._truth if n.endswith("_energy")}
        angles = ("zenith", "azimuth", "theta", "phi")
        return found | {n: "rad" for n in self._truth if n.endswith(angles)}

    @property
    def entries(self) -> int:
        """The number of events in the truth."""
        return len(self._truth["event_no"])

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """The sensors, if the file of them is given."""
        if self._sensors is None:
            return {}
        table = _read(self._sensors, ())
        names = next((n for n in _GEOMETRY if set(n) <= set(table.column_names)), None)
        if names is None:
            raise DataError(
                f"'{self._sensors}' has no columns {', '.join(_GEOMETRY[0])}"
                f"{nearest('dom_x', table.column_names)}; it is no geometry of sensors"
            )
        sensor = table["sensor_id"] if "sensor_id" in table.column_names else range(len(table))
        columns = {"sensor": np.asarray(sensor)}
        columns |= {a: np.asarray(table[n]) * _METRES for a, n in zip("xyz", names, strict=True)}
        for name in ("string", "sensor_string_id"):
            if name in table.column_names:
                columns["layer"] = np.asarray(table[name])
        return {"geometry": Geometry(columns, "sensor")}

    @cached_property
    def _pulse_columns(self) -> tuple[dict[str, Any], Any]:
        """Pulses in the order of events and times, and the first of each event (events + 1,)."""
        table = _read(self._pulses, ("event_no", *_PULSE))
        found = {n: np.asarray(table[n]) for n in ("event_no", *_PULSE)}
        positions = {n: found[n] for n in (*_PULSE[2:5], "t")}
        check_finite(positions, "pulse", self._pulses)
        known, event = self._truth["event_no"], found["event_no"]
        lost = np.flatnonzero(~np.isin(event, known))
        if len(lost):
            raise DataError(
                f"'{self._pulses}': pulse {lost[0]} is of event {event[lost[0]]}, which "
                f"'{self._truth_file}' does not have"
            )
        order = np.lexsort((found["t"], event))
        found = {n: v[order] for n, v in found.items()}
        start = np.searchsorted(found["event_no"], known)
        return found, np.append(start, len(event))

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in blocks of at most `rows`."""
        known = self.fields()
        for column in columns:
            if column not in known:
                raise unknown_column(column, known, "the source prometheus_events")
        pulses, start = self._pulse_columns
        stored = dict(zip(("sensor", "string", "x", "y", "z", "time"), _PULSE, strict=True))
        for first in range(0, self.entries, rows):
            last = min(first + rows, self.entries)
            made = {}
            for name in columns:
                if not name.startswith("pulse_"):
                    made[name] = self._truth[name][first:last]
                    continue
                short = name.removeprefix("pulse_")
                scale = _METRES if short in "xyz" else 1
                values = pulses[stored[short]][start[first] : start[last]] * scale
                counts = np.diff(start[first : last + 1])
                kind = _LAYOUT[name].rpartition(" ")[2]
                made[name] = ak.unflatten(values.astype(kind), counts)
            yield ak.zip(made, depth_limit=1)


def _read(path: str, names: tuple[str, ...]) -> Any:
    check(path)
    try:
        table = pq.read_table(openable(path))
    except (OSError, pa.ArrowException) as problem:
        reason = str(problem).partition("\n")[0]
        raise DataError(f"'{path}' is no readable Parquet file: {reason}") from None
    if lost := [name for name in names if name not in table.column_names]:
        raise DataError(f"'{path}' has no column '{lost[0]}'; it is no file of Prometheus")
    return table
