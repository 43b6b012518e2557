"""Parquet files, read with pyarrow: row groups, nested lists and records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import pyarrow as pa
import pyarrow.parquet as pq

from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.reading.table import Table, read_errors


class ParquetTable(Table):
    """A Parquet file, read by row groups."""

    def __init__(self, path: str, name: str) -> None:
        with read_errors(path):
            self._file = pq.ParquetFile(openable(path))
            super().__init__(path, name, int(self._file.metadata.num_rows))
            self._floats = _integers_with_missing(self._file)
            for field in self._file.schema_arrow:
                try:
                    self.declare(field.name, self._column(pa.array([], field.type), field.name))
                except (NotImplementedError, TypeError, ValueError, pa.ArrowException):
                    self.unreadable[field.name] = f"its type is {field.type}"

    def _column(self, values: Any, name: str) -> ak.Array:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if name in self._floats:
            values = values.cast(pa.float64(), safe=False)
        if pa.types.is_null(values.type):
            values = values.cast(pa.float64())
        return ak.from_arrow(values)

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        offset, groups = self._row_groups(start)
        stop = (self.entries or 0) if stop is None else stop
        for batch in self._file.iter_batches(rows, row_groups=groups, columns=fields):
            low, high = max(start - offset, 0), min(stop - offset, len(batch))
            if low < high:
                part = batch.slice(low, high - low)
                yield {field: self._column(part.column(field), field) for field in fields}
            offset += len(batch)
            if offset >= stop:
                return

    def _row_groups(self, start: int) -> tuple[int, list[int]]:
        """Return the first event of the row group that contains `start`, and the groups from it."""
        offset = 0
        groups = self._file.metadata.num_row_groups
        for group in range(groups):
            entries = self._file.metadata.row_group(group).num_rows
            if offset + entries > start:
                return offset, list(range(group, groups))
            offset += entries
        return offset, []


def _integers_with_missing(file: Any) -> set[str]:
    """Return the flat integer columns with missing values, which are read as float."""
    found = set()
    flat = {field.name for field in file.schema_arrow if pa.types.is_integer(field.type)}
    for group in range(file.metadata.num_row_groups):
        part = file.metadata.row_group(group)
        for index in range(part.num_columns):
            column = part.column(index)
            statistics = column.statistics
            if column.path_in_schema in flat and (statistics is None or statistics.null_count):
                found.add(column.path_in_schema)
    return found
