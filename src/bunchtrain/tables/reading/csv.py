"""Text tables, read with pyarrow: commas, tabs, semicolons, bars or spaces; gzip is supported."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import fsspec
import pyarrow as pa
import pyarrow.csv as pc

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.table import Table, read_errors

_BLOCK = 8_000_000


class CsvTable(Table):
    """A text table whose separator, header and types are inferred from its content.

    The types are valid for the entire file, which is read once to infer them if it is longer than
    a block of 8 MB; with `sampled` they are those of the first block.
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
        with read_errors(path):
            self._infer_header(names, header)
            self._types: dict[str, Any] = {}
            self._infer_types(sampled)
            for column, kind in self._types.items():
                self.declare(column, ak.from_arrow(pa.array([], kind)))

    def _infer_header(self, names: Sequence[str] | None, header: bool | None) -> None:
        with fsspec.open(self.path, "rt", compression="infer", newline="") as file:
            lines = file.read(200_000).splitlines()[:50]
        comments = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
        if comments == len(lines):
            raise DataError(f"{self.path}: the file has no rows")
        self._separator = _separator(lines[comments:])
        first = _cells(lines[comments], self._separator)
        comment = _cells(lines[comments - 1].lstrip("# "), self._separator) if comments else []
        named = not any(map(_is_numeric, first)) if header is None else header
        found = first if named else comment if len(comment) == len(first) else []
        self._skip = comments + (1 if named else 0)
        self._names = _column_names(self.path, list(names or found), len(first))

    def _infer_types(self, sampled: bool) -> None:
        """Find types that are valid for every row."""
        while True:
            try:
                reader = self._reader()
                found = {f.name: _plain_type(f.type) for f in reader.schema}
                missing = self._scan(reader, sampled)
                self._types = {**found, **dict.fromkeys(missing, pa.float64()), **self._types}
                return
            except pa.ArrowInvalid as problem:
                column = re.search(
                    r"In CSV column #(\d+): .*conversion error to (\w+)", str(problem)
                )
                wider = {"int64": pa.float64(), "double": pa.string(), "bool": pa.string()}
                if column is None:
                    raise
                self._types[self._names[int(column[1])]] = wider.get(column[2], pa.string())

    def _scan(self, reader: Any, sampled: bool) -> set[str]:
        missing: set[str] = set()
        for batch in reader:
            missing |= {
                field.name
                for field in batch.schema
                if pa.types.is_integer(field.type) and batch.column(field.name).null_count
            }
            if sampled:
                break
        return missing

    def _reader(self, columns: Sequence[str] | None = None) -> Any:
        file = fsspec.open(self.path, "rb", compression="infer").open()
        return pc.open_csv(
            pa.PythonFile(file, "r"),
            pc.ReadOptions(
                use_threads=False, block_size=_BLOCK, skip_rows=self._skip, column_names=self._names
            ),
            pc.ParseOptions(delimiter=self._separator),
            pc.ConvertOptions(column_types=self._types, include_columns=columns or None),
        )

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        offset = 0
        for batch in self._reader(fields):
            for low in range(0, len(batch), rows):
                part = batch.slice(low, rows)
                low, high = max(start - offset, 0), len(part) if stop is None else stop - offset
                offset += len(part)
                part = part.slice(low, max(high - low, 0))
                if len(part):
                    yield {field: ak.from_arrow(part.column(field)) for field in fields}
            if stop is not None and offset >= stop:
                return


def _separator(lines: Sequence[str]) -> str:
    """Return the separator with the most cells per line, equally many in the first lines."""
    best, most = ",", 1
    for separator in ",\t;| ":
        counts = {len(_cells(line, separator)) for line in lines[:20] if line}
        if len(counts) == 1 and (cells := counts.pop()) > most:
            best, most = separator, cells
    return best


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def _is_numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column_names(path: str, names: list[str], count: int) -> list[str]:
    if names and len(names) != count:
        raise DataError(f"{path}: {len(names)} names are given for {count} columns")
    named = [name or f"column_{n}" for n, name in enumerate(names or [""] * count)]
    duplicates = {name for name in named if named.count(name) > 1}
    if duplicates:
        raise DataError(f"{path}: the header has the column '{min(duplicates)}' twice; set 'names'")
    return named


def _plain_type(kind: Any) -> Any:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return kind
    return pa.float64() if pa.types.is_null(kind) else pa.string()
