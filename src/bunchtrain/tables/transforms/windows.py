"""Windows of a series: each row with the rows before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, ExpressionError, nearest
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions.expression import as_real
from bunchtrain.tables.fill import fill_rows
from bunchtrain.tables.table import Column, Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.transforms.series import SeriesRows, SeriesScale, rows_since

#: Columns that are added: index of the row in its series, and of the series.
ROW, SERIES = "series_row", "series_index"
#: What the name of a window begins with, and that of a value of its first row.
PREFIX, FIRST = "window_", "window_first_"


class Windows(Transform):
    """A row for each window: `window_x`, the last `length` values of `x`, and the last row.

    A window has no row of another series, none after its last one, and none before a gap. Columns
    without the prefix are those of the last row; `series_row` is its index in the series,
    `series_index` that of the series. Series shorter than a window have none.

    source   rows in the order of time.
    length   rows of a window.
    step     rows from one window to the next.
    series   column that identifies the series, such as an experiment or sensor; one if None.
    time     column that must not decrease within a series.
    columns  that are given as windows; all numbers if empty.
    max_gap  largest difference of `time` between two rows of a window, in seconds for times.
    scale    rows at the beginning of each series whose mean and standard deviation standardise it.
    """

    row = "window"

    def __init__(
        self,
        source: Table,
        *,
        length: int,
        step: int = 1,
        series: str | None = None,
        time: str | None = None,
        columns: Sequence[str] = (),
        max_gap: float | None = None,
        scale: int | None = None,
    ) -> None:
        super().__init__(source)
        self.length, self.step, self.series, self.time = length, step, series, time
        self.max_gap, self.scale = max_gap, scale
        available = source.fields()
        for name in [*columns, *filter(None, (series, time))]:
            if name not in available:
                raise DataError(
                    f"windows: the data have no column '{name}'{nearest(name, available)}"
                )
        for name in columns:
            if not available[name].lstrip("?").startswith(("int", "uint", "float", "bool")):
                raise DataError(
                    f"windows.columns: '{name}' is of type '{available[name]}' and must be one "
                    "number for each row"
                )
        if max_gap is not None and time is None:
            raise DataError("windows: 'max_gap' needs the column of the time; set 'time'")
        numbers = [n for n, text in available.items() if text.startswith(("int", "uint", "float"))]
        self.columns = list(columns) or [n for n in numbers if n not in (series, time)]

    def describe(self) -> str:
        """Return the transform with its options as text."""
        options = (self.length, self.step, self.series, self.time, self.columns)
        return f"windows {(*options, self.max_gap, self.scale)} in one set each"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        windows = {f"{PREFIX}{name}": "var * float32" for name in self.columns}
        return {**self.source.fields(), **windows, ROW: "int64", SERIES: "int64"}

    def first_row(self, column: str) -> str | None:
        """Return the column that has the values of a column in the first row of each window."""
        return f"{FIRST}{column}" if column in (ROW, SERIES, *self.source.fields()) else None

    def units(self) -> dict[str, str]:
        """Return column → unit, also of the windows."""
        known = self.source.units()
        return known | {f"{PREFIX}{n}": known[n] for n in self.columns if n in known}

    @property
    def schema(self) -> dict[str, Column]:
        """The columns, of which the windows lie on the axis `window.sample`."""
        found = super().schema
        windows = {n: replace(found[n], axis="window.sample") for n in found if self._is_window(n)}
        return found | windows

    @property
    def why_empty(self) -> str:
        """The reason for a table without windows, in messages."""
        named = (
            f"that share the '{self.series}' of the row before" if self.series else "in a series"
        )
        return (
            f"windows: there are nowhere {self.length} rows {named}, without a gap; lower "
            "'windows.length', or sort the rows so that those of a series are together"
        )

    @property
    def order(self) -> str:
        """The column of the time, or the index of a row in its series."""
        return self.time or ROW

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the windows in order, as records of these columns."""
        for windows, _ in self.blocks_of_events(columns, rows):
            yield windows

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the windows that end in the next rows, and the number of each row: 0 or 1."""
        read = [self._source_column(name) for name in columns]
        named = filter(None, (*read, self.series, self.time))
        needed = list(dict.fromkeys(named)) or list(self.source.fields())[:1]
        place = SeriesRows(self.series)
        kept: ak.Array | None = None  # the last rows of the blocks before, and their places
        places = np.zeros((2, 0), np.int64)
        run, entry = -1, 0  # rows of the last row since a gap, and index of the next row
        for block in self.source.blocks(needed, events):
            joined = block if kept is None else ak.concatenate([kept, block])
            places = np.concatenate([places, np.stack(place(block))], axis=1)
            before = len(joined) - len(block)
            starts = places[1] == 0
            starts[1:] |= self._gaps(joined, places, entry - before)
            since = rows_since(starts[before:], run)
            is_last = (since >= self.length - 1) & ((places[1, before:] + 1) % self.step == 0)
            last = before + np.flatnonzero(is_last)
            yield self._windows(joined, last, places, columns), is_last.astype(np.int64)
            first = max(0, len(joined) - max(1, self.length - 1))
            kept, places = joined[first:], places[:, first:]
            run = int(since[-1]) if len(since) else run
            entry += len(block)

    def by_event(self, columns: Mapping[str, Any], counts: NDArray[np.int64]) -> dict[str, Any]:
        """Return columns of windows as columns of all rows: NaN where no window ends.

        columns  name → values (windows,), or lists of values.
        counts   (rows,) windows that end in each row, 0 or 1.
        """
        return fill_rows(columns, counts > 0)

    def _source_column(self, name: str) -> str | None:
        """Return the column of the source that a column is made of, None for a new one."""
        if self._is_window(name):
            return name.removeprefix(PREFIX)
        if name in self.source.fields():
            return name
        plain = name.removeprefix(FIRST)
        return None if plain in (ROW, SERIES) else plain

    def _is_window(self, name: str) -> bool:
        return name.startswith(PREFIX) and name.removeprefix(PREFIX) in self.columns

    def _gaps(self, rows: ak.Array, places: NDArray[Any], first: int) -> NDArray[np.bool_]:
        """Return whether each row but the first is too long after the one before, (rows − 1,).

        Raises DataError, naming the entry, where the time goes back within a series.
        """
        if self.time is None or len(rows) < 2:
            return np.zeros(max(0, len(rows) - 1), bool)
        steps = self._time_steps(rows[self.time])
        steps[places[1, 1:] == 0] = 0  # another series begins
        if (bad := np.flatnonzero((steps < 0) | np.isnan(steps))).size:
            what = "is missing" if np.isnan(steps[bad[0]]) else "goes back"
            raise DataError(
                f"{self.source.place(first + int(bad[0]) + 1)}: the time '{self.time}' of "
                f"'windows' {what}; sort the rows by time, or name the column of the series in "
                "'windows.series'"
            )
        return np.zeros(len(steps), bool) if self.max_gap is None else steps > self.max_gap

    def _time_steps(self, times: ak.Array) -> NDArray[np.float64]:
        if kind(times) == "time":  # seconds of a float64 are too coarse for nanoseconds
            exact = np.diff(ak.to_numpy(times))
            return np.where(np.isnat(exact), np.nan, exact / np.timedelta64(1, "s"))
        try:
            return np.diff(as_real(times, str(self.time)))
        except ExpressionError as problem:
            raise DataError(f"windows.time: {problem}") from None

    @cached_property
    def _scale(self) -> SeriesScale:
        return SeriesScale.of(self.source, self.series, self.columns, int(self.scale or 1))

    def _windows(
        self, rows: ak.Array, last: NDArray[Any], places: NDArray[Any], columns: Collection[str]
    ) -> ak.Array:
        made = {}
        first, added = last - (self.length - 1), {SERIES: places[0], ROW: places[1]}
        for name in columns:
            source = self._source_column(name)
            if source is None:
                at = first if name.startswith(FIRST) else last
                made[name] = added[name.removeprefix(FIRST)][at]
            elif self._is_window(name):
                values = as_real(rows[source], name)
                if self.scale is not None:
                    values = self._scale(values, places[0], source)
                index = last[:, None] + np.arange(1 - self.length, 1)  # (windows, length)
                made[name] = ak.from_regular(ak.Array(values.astype(np.float32)[index]))
            else:
                made[name] = rows[source][last if source == name else first]
        return ak.zip(made, depth_limit=1)
