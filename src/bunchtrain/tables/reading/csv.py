"""Text tables, read with pyarrow: commas, tabs, semicolons, bars or spaces; gzip is supported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import fsspec
import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc

from bunchtrain.errors import DataError, shorten
from bunchtrain.tables.arrow import slice_blocks
from bunchtrain.tables.column_types import EXACT
from bunchtrain.tables.reading.csv_layout import find_layout, is_decimal_comma, is_number
from bunchtrain.tables.reading.file_table import FileTable, read_errors

_BLOCK = 8_000_000
#: Bytes of a file of which only a sample is shown.
_SAMPLE = 64_000_000
_INTEGER = r"^\s*[+-]?\d+\s*$"


class CsvTable(FileTable):
    """A text table whose separator, header and types are inferred from its content.

    The types are valid for the entire file, which is read once to infer them; with `sampled` they
    are those of its first 64 MB.
    """

    seekable = False

    def __init__(
        self,
        path: str,
        name: str,
        names: Sequence[str] | None = None,
        header: bool | None = None,
        sampled: bool = False,
    ) -> None:
        super().__init__(path, name, None)
        self._sampled = sampled
        with read_errors(path):
            self._layout = find_layout(path, names, header)
            self._types: dict[str, Any] = {}
            if self._layout.has_rows:
                self._infer_types()
                self._check_large_integers()
                self._check_texts()
            else:
                self.entries = 0
                self._types = dict.fromkeys(self._layout.names, pa.float64())
            for column, kind in self._types.items():
                if column not in self.unreadable:
                    self.declare(column, ak.from_arrow(pa.nulls(0, kind)))

    def _infer_types(self) -> None:
        """Find types that are valid for every row."""
        while True:
            try:
                reader = self._reader(types=self._types)
                found = {f.name: _plain_type(f.type) for f in reader.schema}
                missing = self._scan(reader)
                self._types = {**found, **dict.fromkeys(missing, pa.float64()), **self._types}
                return
            except pa.ArrowInvalid as problem:
                self._widen(problem)

    def _widen(self, problem: Exception) -> None:
        """Give the column of a conversion error a wider type; raise other errors again."""
        pattern = r"In CSV column #(\d+): (Row #\d+: )?CSV conversion error to (\w+)(.*)"
        found = re.search(pattern, str(problem))
        if found is None:
            raise problem
        column = self._layout.names[int(found[1])]
        if found[3] in ("string", "binary") or self._types.get(column) == pa.string():
            raise DataError(
                f"{self.path}: the column '{column}' has bytes that are not UTF-8 text"
            ) from None
        is_time = found[3] in ("date32", "timestamp") and column not in self._types
        if found[3] == "int64":
            self._types[column] = pa.float64()
        elif is_time:
            self._types[column] = pa.timestamp("ns", "UTC" if "tz=UTC" in found[4] else None)
        else:
            self._types[column] = pa.string()
        if found[3] == "double" or (found[3] == "timestamp" and not is_time):
            self._note_text(column, re.split("invalid value | in ", found[4])[-1].split("'")[1])

    def _scan(self, reader: Any) -> set[str]:
        """Read the rows; return the columns of integers with missing ones."""
        missing: set[str] = set()
        rows, quoted = 0, False
        self._large: set[str] = set()
        for batch in reader:
            rows += len(batch)
            for field in batch.schema:
                values = batch.column(field.name)
                if pa.types.is_binary(field.type):
                    raise DataError(
                        f"{self.path}: the column '{field.name}' has bytes that are not UTF-8 text"
                    )
                if pa.types.is_integer(field.type) and values.null_count:
                    missing.add(field.name)
                if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
                    if _is_large(values):
                        self._large.add(field.name)
                elif pa.types.is_string(field.type):
                    quoted = quoted or bool(pac.any(pac.match_substring(values, "\n")).as_py())
            if self._sampled and self._file.tell() > _SAMPLE:
                break
        else:
            self.entries = rows
            self._check_quotes(quoted)
            self._check_empty_lines()
        return missing

    def _check_quotes(self, has_line_in_text: bool) -> None:
        """Raise DataError if a quote is not closed, so that text goes on over lines."""
        if not has_line_in_text:
            return
        with fsspec.open(self.path, "rb", compression="infer") as file:
            quotes = sum(block.count(b'"') for block in iter(lambda: file.read(_BLOCK), b""))
        if quotes % 2:
            raise DataError(f"{self.path}: a quote is not closed, so that lines run together")

    def _check_empty_lines(self) -> None:
        """Raise DataError for empty lines in a file of one column, which may be missing values."""
        if len(self._layout.names) > 1:
            return
        rows = sum(map(len, self._reader(types=self._types, empty_lines=True)))
        if rows != self.entries:
            raise DataError(
                f"{self.path}: the only column has {rows - (self.entries or 0)} empty lines, which "
                "may be missing values; remove them or write nan"
            )

    def _check_large_integers(self) -> None:
        """Read integers above 2**63 as uint64, and refuse those that no type here holds."""
        for column in sorted(self._large):
            if self._types[column] != pa.float64():
                continue
            digits, only_integers = self._integer_texts(column)
            values = [int(text) for text in digits]
            exact = all(abs(value) <= EXACT or float(value) == value for value in values)
            if only_integers and values and min(values) >= 0 and max(values) < 2**64:
                self._types[column] = pa.uint64()
            elif not exact:
                largest = shorten(max(values, key=abs))
                self.unreadable[column] = (
                    f"its integers, as {largest}, do not fit into 64 bits, or it also has missing "
                    "values or fractions, and a float64 is not exact beyond 2**53"
                )

    def _integer_texts(self, column: str) -> tuple[set[str], bool]:
        """Return the long or negative integers, and whether all cells are integers."""
        found: set[str] = set()
        only = True
        for batch in self._reader([column], {**self._types, column: pa.string()}):
            texts = batch.column(column)
            matches = pac.match_substring_regex(texts, _INTEGER)
            only = only and bool(pac.all(matches).as_py())
            long = pac.match_substring_regex(texts, r"^\s*-|\d{16,}")
            found |= set(texts.filter(pac.and_(matches, long)).to_pylist())
        return found, only

    def _check_texts(self) -> None:
        """Refuse decimal commas, and note the first text among numbers."""
        names = [name for name, kind in self._types.items() if kind == pa.string()]
        batch = next(iter(self._reader(names, self._types))) if names else None
        for column in names:
            assert batch is not None
            texts = [text for text in batch.column(column)[:1000].to_pylist() if text]
            if texts and all(map(is_decimal_comma, texts)):
                self.unreadable[column] = (
                    f"its numbers have decimal commas, as {texts[0]}; write decimal points"
                )
            others = [text for text in texts if not is_number(text)]
            if others and len(others) < len(texts) / 2:
                self._note_text(column, others[0])

    def _note_text(self, column: str, value: str) -> None:
        self.note = f"the column '{column}' is text because of {shorten(value)}"

    def _reader(
        self,
        columns: Sequence[str] | None = None,
        types: Mapping[str, Any] | None = None,
        empty_lines: bool = False,
    ) -> Any:
        self._file = fsspec.open(self.path, "rb", compression="infer").open()
        layout = self._layout
        return pc.open_csv(
            pa.PythonFile(self._file, "r"),
            pc.ReadOptions(
                use_threads=False,
                block_size=_BLOCK,
                skip_rows=layout.skip,
                column_names=layout.names,
            ),
            pc.ParseOptions(
                delimiter=layout.separator,
                newlines_in_values=True,
                ignore_empty_lines=not empty_lines,
            ),
            pc.ConvertOptions(column_types=types, include_columns=columns or None),
        )

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        if self._layout.has_rows:
            yield from slice_blocks(self._reader(fields, self._types), fields, rows, start, stop)


def _is_large(values: Any) -> bool:
    """Return whether a number is beyond ±2**53."""
    bounds = pac.min_max(values).as_py()
    edges = [abs(edge) for edge in bounds.values() if edge is not None]
    return any(edge >= EXACT for edge in edges)


def _plain_type(kind: Any) -> Any:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return kind
    if pa.types.is_null(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pa.timestamp("ns", getattr(kind, "tz", None))
    return kind if pa.types.is_binary(kind) else pa.string()
