"""Parquet files, read with pyarrow: row groups, nested lists and records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import awkward as ak
import pyarrow as pa
import pyarrow.parquet as pq

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import from_arrow
from bunchtrain.tables.metadata import KEY
from bunchtrain.tables.reading.file_table import FileTable, read_errors
from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.units import is_unit

#: Decimal digits that a float64 holds.
_DIGITS = 15
_TEXTS = (
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.large_binary(), pa.binary_view()),
)


class ParquetTable(FileTable):
    """A Parquet file, read by row groups."""

    def __init__(self, path: str, name: str) -> None:
        with read_errors(path):
            # A buffer ahead keeps all row groups that were read in memory.
            self._file = pq.ParquetFile(openable(path), pre_buffer=False)
            super().__init__(path, name, int(self._file.metadata.num_rows))
            self._check_names()
            self._casts: dict[str, list[pa.DataType]] = {}
            self._nulls = _missing_counts(self._file)
            for field in self._file.schema_arrow:
                self._declare_field(field)

    def _metadata_text(self) -> str:
        text: bytes = (self._file.schema_arrow.metadata or {}).get(KEY.encode(), b"")
        return text.decode()

    def _stored_units(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for field in self._file.schema_arrow:
            about = field.metadata or {}
            unit = (about.get(b"unit") or about.get(b"units") or b"").decode("utf-8", "replace")
            found |= {field.name: unit} if is_unit(unit) else {}
        return found

    def _check_names(self) -> None:
        counts = Counter(self._file.schema_arrow.names)
        if not counts:
            raise DataError(f"{self.path}: the file has no columns")
        if twice := [name for name, count in counts.items() if count > 1]:
            raise DataError(f"{self.path}: the file has the column '{twice[0]}' twice; rename one")

    def _declare_field(self, field: Any) -> None:
        try:
            # A decimal is cut to the digits of a float64, which raises if one does not fit, and
            # read from its text: pyarrow's own conversion is wrong in the last bit.
            has_decimals = "decimal" in str(field.type)
            steps = ("digits", "text", "number") if has_decimals else ("number",)
            self._casts[field.name] = [_plain_type(field.type, step) for step in steps]
            self.declare(field.name, self._convert(pa.nulls(0, field.type), field.name))
        except (NotImplementedError, TypeError, ValueError, pa.ArrowException):
            self.unreadable[field.name] = f"its type is {field.type}"
            return
        if field.name in self.types and self._nulls.get(field.name):
            # One value per event: missing by the statistics of the file.
            self._optional.discard(field.name)
            if self.types[field.name].startswith(("int", "uint")):
                self.types[field.name] = "float64"
                self._floats.add(field.name)

    def _convert(self, values: Any, name: str) -> ak.Array:
        for kind in self._casts[name]:
            values = values if values.type == kind else values.cast(kind)
        return from_arrow(values)

    def _column_values(self, values: Any, name: str) -> ak.Array:
        try:
            return self._convert(values, name)
        except pa.ArrowInvalid as problem:
            raise DataError(
                f"{self.path}: the column '{name}' of type {values.type} cannot be read: {problem}"
            ) from None

    def _has_missing(self, column: str) -> bool:
        field = self._field_of[column]
        leaves = [n for name, n in self._nulls.items() if f"{name}.".startswith(f"{field}.")]
        return (not leaves or leaves != [0] * len(leaves)) and super()._has_missing(column)

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        offset, groups = self._row_groups(start)
        stop = (self.entries or 0) if stop is None else stop
        for batch in self._batches(fields, rows, groups):
            low, high = max(start - offset, 0), min(stop - offset, len(batch))
            if low < high:
                yield {f: self._column_values(batch.column(f), f)[low:high] for f in fields}
            offset += len(batch)
            if offset >= stop:
                return

    def _batches(self, fields: list[str], rows: int, groups: list[int]) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(rows, row_groups=groups, columns=fields)
        except pa.ArrowException as problem:
            if len(fields) == 1:
                kind = self._file.schema_arrow.field(fields[0]).type
                raise DataError(
                    f"{self.path}: the column '{fields[0]}' of type {kind} cannot be read: "
                    f"{problem}"
                ) from None
            for field in fields:
                for _ in self._batches([field], rows, groups):
                    pass
            raise

    def starts(self, rows: int) -> Sequence[int]:
        """Return the first multiple of `rows` in each row group: groups are read as a whole."""
        groups = range(self._file.metadata.num_row_groups)
        ends = accumulate(self._file.metadata.row_group(group).num_rows for group in groups)
        every = {0, *(-(-end // rows) * rows for end in ends)}
        return sorted(start for start in every if start < (self.entries or 0))

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


def _plain_type(kind: Any, step: str) -> Any:
    """Return the type of numbers, texts, times, lists and records in which a type is read.

    `step` is what becomes of decimals: shorter `digits`, `text`, or a `number`. Raises TypeError
    for other types, as durations.
    """
    types = pa.types
    if types.is_integer(kind) or types.is_boolean(kind) or kind in (pa.float32(), pa.float64()):
        return kind
    if kind == pa.float16():
        return pa.float32()
    if types.is_null(kind):
        return pa.float64()
    if types.is_decimal(kind):
        if step == "digits":
            return pa.decimal128(min(kind.precision, _DIGITS), kind.scale)
        return pa.string() if step == "text" else pa.float64()
    if types.is_timestamp(kind) or types.is_date(kind):
        return pa.timestamp("ns")
    if isinstance(kind, pa.DictionaryType):
        return _plain_type(kind.value_type, step)
    if kind in _TEXTS or types.is_fixed_size_binary(kind):
        return pa.large_string()
    return _plain_nested(kind, step)


def _plain_nested(kind: Any, step: str) -> Any:
    if isinstance(kind, pa.MapType):
        fields = [
            pa.field("key", _plain_type(kind.key_type, step)),
            pa.field("value", _plain_type(kind.item_type, step)),
        ]
        return pa.large_list(pa.struct(fields))
    if isinstance(kind, pa.StructType):
        return pa.struct([field.with_type(_plain_type(field.type, step)) for field in kind])
    if pa.types.is_nested(kind) and hasattr(kind, "value_field"):
        return pa.large_list(kind.value_field.with_type(_plain_type(kind.value_type, step)))
    raise TypeError(f"{kind} is not supported")


def _missing_counts(file: Any) -> dict[str, int | None]:
    """Return the number of missing values by path, of lists with the empty ones; None: unknown."""
    found: dict[str, int | None] = {}
    for group in range(file.metadata.num_row_groups):
        part = file.metadata.row_group(group)
        for index in range(part.num_columns):
            column = part.column(index)
            statistics = column.statistics
            known = statistics is not None and statistics.has_null_count
            count = statistics.null_count if known else None
            name = column.path_in_schema
            before = found.get(name, 0)
            found[name] = None if count is None or before is None else before + count
    return found
