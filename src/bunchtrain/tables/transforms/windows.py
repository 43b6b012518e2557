"""Windows of a series: each row with the rows before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, nearest
from bunchtrain.tables.expressions.expression import as_real
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform

#: Column that is added: index of the row in its series.
ROW = "series_row"
#: What the name of a window begins with.
PREFIX = "window_"


class Windows(Transform):
    """A row for each window: `window_x`, the last `length` values of `x`, and the last row.

    A window has no row of another series, and none after its last one. Columns without the prefix
    are those of the last row; `series_row` is its index in the series. Series shorter than a window
    have none.

    source  rows in the order of time.
    length  rows of a window.
    step    rows from one window to the next.
    series  column that identifies the series, such as an experiment or sensor; one if None.
    time    column that must not decrease within a series.
    columns that are given as windows; all numbers if empty.
    """

    def __init__(
        self,
        source: Table,
        *,
        length: int,
        step: int = 1,
        series: str | None = None,
        time: str | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        super().__init__(source)
        self.length, self.step, self.series, self.time = length, step, series, time
        available = source.fields()
        for name in [*columns, *filter(None, (series, time))]:
            if name not in available:
                raise DataError(
                    f"windows: the data have no column '{name}'{nearest(name, available)}"
                )
        numbers = [n for n, text in available.items() if text.startswith(("int", "uint", "float"))]
        self.columns = list(columns) or [n for n in numbers if n not in (series, time)]

    def describe(self) -> str:
        """Return the transform with its options as text."""
        options = (self.length, self.step, self.series, self.time, self.columns)
        return f"windows {options}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        windows = {f"{PREFIX}{name}": "var * float32" for name in self.columns}
        return {**self.source.fields(), **windows, ROW: "int64"}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the windows in order, as records of these columns."""
        plain = [name for name in columns if not self._is_window(name) and name != ROW]
        wide = [name.removeprefix(PREFIX) for name in columns if self._is_window(name)]
        needed = [*plain, *wide, *filter(None, (self.series, self.time))]
        needed = list(dict.fromkeys(needed)) or list(self.source.fields())[:1]
        kept: ak.Array | None = None  # the last rows of the blocks before
        row, entry = 0, 0  # index in the series, and in the source, of the first row of a block
        for block in self.source.blocks(needed, rows):
            joined = block if kept is None else ak.concatenate([kept, block])
            before = len(joined) - len(block)
            index = self._series_rows(joined, before, row)
            self._check_time(joined, index, entry - before)
            last = np.flatnonzero((index >= self.length - 1) & ((index + 1) % self.step == 0))
            last = last[last >= before]
            yield self._windows(joined, last, index, columns)
            kept = joined[max(0, len(joined) - max(1, self.length - 1)) :]
            row = int(index[-1]) + 1 if len(index) else row
            entry += len(block)

    def _is_window(self, name: str) -> bool:
        return name.startswith(PREFIX) and name.removeprefix(PREFIX) in self.columns

    def _series_rows(self, rows: ak.Array, before: int, following: int) -> NDArray[Any]:
        """Return the index of each row in its series, (rows,); the first new one is `following`."""
        index = np.arange(len(rows)) - before + following
        if self.series is None:
            return index
        changes = np.asarray(ak.to_numpy(rows[self.series][1:] != rows[self.series][:-1]))
        for start in np.flatnonzero(changes) + 1:
            if start >= before:
                index[start:] = np.arange(len(rows) - start)
        return index

    def _check_time(self, rows: ak.Array, index: NDArray[Any], first: int) -> None:
        if self.time is None or len(rows) < 2:
            return
        time = as_real(rows[self.time], self.time)
        back = np.flatnonzero((np.diff(time) < 0) & (np.diff(index) == 1))
        if back.size:
            raise DataError(
                f"windows: '{self.time}' goes back in entry {first + back[0] + 1}; sort the rows "
                "by time, or name the column of the series"
            )

    def _windows(
        self, rows: ak.Array, last: NDArray[Any], index: NDArray[Any], columns: Collection[str]
    ) -> ak.Array:
        made = {}
        for name in columns:
            if name == ROW:
                made[name] = index[last]
            elif self._is_window(name):
                values = as_real(rows[name.removeprefix(PREFIX)], name).astype(np.float32)
                places = last[:, None] + np.arange(1 - self.length, 1)  # (windows, length)
                made[name] = ak.from_regular(ak.Array(values[places]))
            else:
                made[name] = rows[name][last]
        return ak.zip(made, depth_limit=1)
