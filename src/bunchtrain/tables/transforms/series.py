"""Series in the rows of a table: where they begin, and the scale of each at its beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.tables.expressions.expression import as_real
from bunchtrain.tables.table import Table

_ROWS = 100_000


class SeriesRows:
    """Index of the series, and of the row in its series, of the rows of consecutive blocks.

    column  that changes where another series begins; one series if None.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._last: Any = None
        self._series, self._row = -1, -1

    def __call__(self, block: ak.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return series and row in the series of the next rows, (rows,) each."""
        starts = np.zeros(len(block), bool)
        starts[:1] = self._series < 0
        if self._column is not None and len(block):
            names = block[self._column]
            if self._last is not None:
                starts[0] = names[0] != self._last
            starts[1:] = ak.to_numpy(names[1:] != names[:-1])
            self._last = names[-1]
        series = self._series + np.cumsum(starts)
        row = rows_since(starts, self._row)
        if len(block):
            self._series, self._row = int(series[-1]), int(row[-1])
        return series, row


def rows_since(starts: NDArray[np.bool_], before: int) -> NDArray[np.int64]:
    """Return the number of rows since the last start, (rows,); `before`: that of the row before."""
    rows = np.arange(len(starts))
    since = np.maximum.accumulate(np.where(starts, rows, -1 - before))
    found: NDArray[np.int64] = rows - since
    return found


@dataclass(frozen=True)
class SeriesScale:
    """The scaling of the columns of each series: (x − mean) / standard deviation.

    means, deviations  column → one value for each series, (series,).
    """

    means: dict[str, NDArray[np.float64]]
    deviations: dict[str, NDArray[np.float64]]

    @classmethod
    def of(
        cls, source: Table, series: str | None, columns: Sequence[str], rows: int
    ) -> SeriesScale:
        """Return the scaling by the first `rows` rows of each series.

        source   rows in order, which are read once; the first rows of the series are kept.
        series   column that changes where another series begins; one series if None.
        columns  that are scaled; one that does not vary there is only shifted.
        """
        position, numbers = SeriesRows(series), [np.zeros(0, np.int64)]
        kept: dict[str, list[NDArray[np.float64]]] = {name: [np.zeros(0)] for name in columns}
        for block in source.blocks([*dict.fromkeys([*columns, *filter(None, [series])])], _ROWS):
            number, row = position(block)
            used = row < rows
            numbers.append(number[used])
            for name in columns:
                kept[name].append(as_real(block[name], name)[used])
        index = np.concatenate(numbers)
        count = np.bincount(index)
        means, deviations = {}, {}
        for name in columns:
            values = np.concatenate(kept[name])
            mean = np.bincount(index, values) / count
            spread = np.sqrt(np.bincount(index, (values - mean[index]) ** 2) / count)
            means[name] = mean
            deviations[name] = np.where(spread <= 1e-9 * np.abs(mean), 1.0, spread)
        return cls(means, deviations)

    def __call__(
        self, values: NDArray[np.float64], series: NDArray[np.int64], column: str
    ) -> NDArray[np.float64]:
        """Return values (rows,) of these series (rows,), scaled."""
        mean, deviation = self.means[column][series], self.deviations[column][series]
        return (values - mean) / deviation
