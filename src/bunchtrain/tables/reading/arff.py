"""ARFF files, the format of OpenML: a header of `@attribute` lines, then comma-separated rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import awkward as ak
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from bunchtrain.errors import DataError, shorten
from bunchtrain.tables.arrow import slice_blocks
from bunchtrain.tables.reading.file_table import FileTable, read_errors

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ATTRIBUTE = re.compile(rf"@attribute\s+({_QUOTED}|[^\s,{{}}]+)\s+(.+)", re.IGNORECASE)
_CELL = re.compile(rf"\s*({_QUOTED}|[^,]*?)\s*(,|$)")
_NUMBERS = ("numeric", "real", "integer")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class ArffTable(FileTable):
    """A dense ARFF file of numbers, texts and nominal values, which are read as text.

    A `?` is a missing value.
    """

    seekable = False

    def __init__(self, path: str, name: str = "events") -> None:
        super().__init__(path, name, None)
        self._types: dict[str, pa.DataType] = {}
        self._is_simple = True
        with read_errors(path), self._open() as file:
            for index, line in enumerate(file):
                if line.strip().lower().startswith("@data"):
                    self._skip = index + 1
                    break
                self._add_attribute(line.strip())
            else:
                raise DataError(f"{path}: no line '@data'; is it an ARFF file?")
        if not self._types:
            raise DataError(f"{path}: the file has no line '@attribute'")
        for column, kind in self._types.items():
            if column not in self.unreadable:
                self.declare(column, ak.from_arrow(pa.nulls(0, kind)))

    def _open(self) -> Any:
        return fsspec.open(self.path, "rt", encoding="utf-8", compression="infer").open()

    def _add_attribute(self, line: str) -> None:
        if not line.lower().startswith("@attribute"):
            return
        found = _ATTRIBUTE.fullmatch(line)
        if found is None:
            raise DataError(f"{self.path}: the line {shorten(line)} is no attribute")
        name, kind = _unquote(found[1]), found[2].strip()
        if name in self._types:
            raise DataError(f"{self.path}: the file has the attribute '{name}' twice")
        is_text = kind.startswith("{") or kind.lower() == "string"
        # pyarrow reads rows of numbers and words; quotes and escapes need the slower `_cells`.
        self._is_simple &= not is_text or re.fullmatch(r"\{[\w\s,.+-]*\}", kind) is not None
        self._types[name] = pa.string() if is_text else pa.float64()
        if not is_text and kind.lower() not in _NUMBERS:
            self.unreadable[name] = (
                f"its type is {shorten(kind, plain=True)}; only numbers, texts and nominal values "
                "are supported"
            )
            self._types[name], self._is_simple = pa.string(), False

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        return slice_blocks(self._blocks(fields), fields, rows, start, stop)

    def _blocks(self, fields: list[str]) -> Iterator[Any]:
        with self._open() as file:
            lines = ((n, line.strip()) for n, line in enumerate(islice(file, self._skip, None)))
            rows = ((n, line) for n, line in lines if line and not line.startswith("%"))
            while block := list(islice(rows, 50_000)):
                if block[0][1].startswith("{"):
                    raise DataError(f"{self.path}: the rows are sparse; write a dense ARFF file")
                texts = [line for _, line in block]
                simple = self._is_simple and not any(c in "".join(texts) for c in "'\"\\%")
                yield self._parse(texts, fields) if simple else self._parse_cells(block, fields)

    def _parse(self, lines: list[str], fields: list[str]) -> Any:
        content = re.sub(r"\s*,\s*", ",", "\n".join(lines)).encode()
        return (
            pc.read_csv(
                pa.BufferReader(content),
                pc.ReadOptions(column_names=list(self._types), use_threads=False),
                convert_options=pc.ConvertOptions(
                    column_types=self._types,
                    include_columns=fields,
                    null_values=["?"],
                    strings_can_be_null=True,
                ),
            )
            .combine_chunks()
            .to_batches()[0]
        )

    def _parse_cells(self, block: list[tuple[int, str]], fields: list[str]) -> Any:
        names = list(self._types)
        columns: dict[str, list[Any]] = {field: [] for field in fields}
        for number, line in block:
            cells = _cells(line)
            if len(cells) != len(names):
                raise DataError(
                    f"{self.path}: row {number + 1} has {len(cells)} cells for "
                    f"{len(names)} attributes"
                )
            for field in fields:
                columns[field].append(self._value(field, cells[names.index(field)]))
        arrays = [pa.array(values, self._types[field]) for field, values in columns.items()]
        return pa.record_batch(arrays, names=fields)

    def _value(self, field: str, cell: str) -> Any:
        if cell == "?":
            return None
        text = _unquote(cell)
        if pa.types.is_string(self._types[field]):
            return text
        try:
            return np.float64(text)
        except ValueError:
            raise DataError(
                f"{self.path}: the attribute '{field}' has {shorten(text)}, which is no number"
            ) from None


def _cells(line: str) -> list[str]:
    """Return the cells of a row, quoted as they are."""
    cells, place = [], 0
    while found := _CELL.match(line, place):
        cells.append(found[1])
        place = found.end()
        if not found[2]:
            return cells
    return []


def _unquote(text: str) -> str:
    """Return a text without its quotes and escapes."""
    if text[:1] not in ("'", '"'):
        return text
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1])
