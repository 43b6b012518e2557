"""Rows of Arrow tables: read from files at their offsets, and taken by their indices.

The pages of a memory-mapped file count as memory, and a page may have 2 MB: a few rows of each of
many files would take the memory of all of them. So only the bytes of the wanted rows are read, and
columns are taken one after the other.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import array_of, from_arrow, read, to_table

#: Arrow's `to_pandas_dtype` would import pandas.
_DTYPES = {pa.from_numpy_dtype(kind): np.dtype(kind) for kind in (*"bhilqBHILQ", *"efd")}
#: The first row of some, and the one after the last.
Span = tuple[int, int]
#: Offsets of the lists of a column, and the offsets and the indices of the items that are taken.
Lists = tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]


class ArrowFile:
    """An Arrow file of one record batch; it is opened to read rows only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _layout(self) -> tuple[pa.Schema, int, dict[str, _Place | None]]:
        """The schema, the number of rows, and column → its place, None for those to be mapped."""
        with pa.memory_map(str(self.path)) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
            mapped.seek(0)
            base = mapped.read_buffer(1).address
            places = {
                name: _Place.of(column.chunk(0), base) if column.num_chunks == 1 else None
                for name, column in zip(table.column_names, table.columns, strict=True)
            }
            return table.schema, len(table), places

    def rows(self, spans: Sequence[Span], columns: Collection[str] | None = None) -> pa.Table:
        """Return the rows from `start` to `stop` of each span; of some columns, all if None."""
        schema, _, places = self._layout
        names = schema.names if columns is None else list(columns)
        with self._opened() as file:
            found = [
                place.read(file, spans) if place else self._mapped(name, spans)
                for name in names
                for place in [places[name]]
            ]
        return pa.Table.from_arrays(found, schema=pa.schema([schema.field(n) for n in names]))

    def span(self, key: str, low: int, high: int) -> Span:
        """Return the first row with low ≤ key < high, and the one after the last, of a sorted file.

        key  a column of unsigned integers of 64 bits.
        """
        _, rows, places = self._layout
        place = places.get(key)
        if place is None:
            return 0, 0
        with self._opened() as file:
            keys = _Keys(file, place, rows)
            return bisect_left(keys, np.uint64(low)), bisect_right(keys, np.uint64(high - 1))

    def _mapped(self, column: str, spans: Sequence[Span]) -> pa.ChunkedArray:
        # A copy, as awkward 2.14 reads the missing values of a slice from the beginning.
        rows = np.concatenate([np.arange(0), *(np.arange(*span) for span in spans)])
        return read(self.path, [column]).column(0).take(array_of(rows))

    @contextmanager
    def _opened(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDONLY)
        try:
            yield file
        finally:
            os.close(file)


@dataclass(frozen=True)
class _Place:
    """Where an array without missing values is in a file.

    type     of the array; None for the bytes of texts.
    offset   of its values, or of the offsets of its lists, in bytes.
    content  of lists and texts.
    """

    type: pa.DataType | None
    offset: int
    content: _Place | None = None

    @classmethod
    def of(cls, values: pa.Array, base: int) -> _Place | None:
        """Return the place of an array of a file that is mapped at an address, if it has one."""
        kind = values.type
        if _has_missing(values):
            return None
        *_, last = starts = [one.address - base if one else 0 for one in values.buffers()]
        if _is_list(kind):
            content = cls.of(values.values, base)
            return content and cls(kind, starts[1], content)
        if _is_bytes(kind):
            return cls(kind, starts[1], cls(None, last))
        return cls(kind, last) if _width(kind) else None

    def read(self, file: int, spans: Sequence[Span]) -> Any:
        """Return the values of some rows; of the bytes of texts a buffer."""
        if self.content is None:
            width = 1 if self.type is None else _width(self.type)
            buffer = pa.py_buffer(_read(file, self.offset, width, spans))
            count = len(buffer) // width
            return buffer if self.type is None else _fixed(self.type, count, buffer)
        dtype = _offset_type(self.type)
        counts, inside = [], []
        for start, stop in spans:
            given = _read(file, self.offset, dtype.itemsize, [(start, stop + 1)])
            edges = np.frombuffer(given, dtype)
            counts.append(np.diff(edges))
            inside.append((int(edges[0]), int(edges[-1])))
        made = np.cumsum(np.concatenate([np.zeros(1, dtype), *counts]), dtype=dtype)
        return _lists(self.type, made, self.content.read(file, inside))


class _Keys(Sequence[Any]):
    """The numbers of a column in an open file, each read on access."""

    def __init__(self, file: int, place: _Place, rows: int) -> None:
        self.file, self.offset, self.rows = file, place.offset, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: Any) -> Any:
        return np.frombuffer(_read(self.file, self.offset, 8, [(row, row + 1)]), np.uint64)[0]


def take(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Return these rows of a table, in this order, packed."""
    last: list[Lists] = []
    columns = [_take(_contiguous(column), rows, last) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _take(values: pa.Array, rows: NDArray[np.int64], last: list[Lists]) -> pa.Array:
    kind, buffers = values.type, values.buffers()
    if _has_missing(values) or not (_is_list(kind) or _is_bytes(kind) or _width(kind)):
        packed = to_table({"": from_arrow(values)[rows]}).column(0)
        return _contiguous(packed).cast(kind)
    if width := _width(kind):
        taken = _view(buffers[-1], width)[values.offset :].take(rows, axis=0)
        return _fixed(kind, len(rows), pa.py_buffer(taken))
    edges = np.frombuffer(buffers[1], _offset_type(kind))
    edges = edges[values.offset : values.offset + len(values) + 1]
    if not (last and np.array_equal(last[0][0], edges)):
        last[:] = [(edges, *_items(edges, rows))]  # columns of one group have the same lists
    _, made, items = last[0]
    if _is_bytes(kind):
        content = pa.py_buffer(_view(buffers[2], 1).take(items, axis=0))
    else:
        content = _take(values.values, items, [])
    return _lists(kind, made.astype(edges.dtype, copy=False), content)


def _items(edges: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the offsets of the lists `rows`, and the indices of their items."""
    begin, counts = edges[rows].astype(np.int64), np.diff(edges)[rows].astype(np.int64)
    made = np.concatenate([[0], np.cumsum(counts)])
    begin, counts = begin[counts > 0], counts[counts > 0]
    steps = np.ones(int(made[-1]), np.int64)
    if len(steps):
        # One item after the other within a list, and a jump to the first of the next.
        steps[0] = begin[0]
        steps[np.cumsum(counts)[:-1]] = begin[1:] - (begin[:-1] + counts[:-1] - 1)
    return made, np.cumsum(steps, out=steps)


def data_bytes(table: pa.Table) -> int:
    """Return the size of the numbers and texts of a table in bytes, without offsets."""
    return sum(_data_bytes(_contiguous(column)) for column in table.columns)


def is_plain(column: pa.ChunkedArray) -> bool:
    """Return whether `numbers` reads a column: all numbers, none missing."""
    return column.type in _DTYPES and not column.null_count


def numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of numbers; that of pyarrow imports pandas first."""
    values = _contiguous(column)
    dtype = _DTYPES[values.type]
    return np.frombuffer(values.buffers()[1], dtype)[values.offset : values.offset + len(values)]


def _data_bytes(values: pa.Array) -> int:
    kind = values.type
    if _width(kind):
        return int(len(values) * _width(kind))
    if _is_bytes(kind):
        edges = np.frombuffer(values.buffers()[1], _offset_type(kind))
        return int(edges[values.offset + len(values)] - edges[values.offset])
    if _is_list(kind):
        return _data_bytes(values.flatten())
    _, _, buffers = ak.to_buffers(ak.to_packed(from_arrow(values)))
    return sum(buffer.nbytes for name, buffer in buffers.items() if name.endswith("-data"))


def _contiguous(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    # In memory that is returned to the system when it is freed.
    return column.combine_chunks(pa.system_memory_pool())


def _has_missing(values: pa.Array) -> bool:
    kind = values.type
    is_nested = _is_list(kind) or pa.types.is_fixed_size_list(kind)
    return values.null_count > 0 or (is_nested and _has_missing(values.values))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _width(kind: pa.DataType) -> int:
    """Return the bytes of a number or of a list of fixed length; 0 for other types."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    is_number = pa.types.is_primitive(kind) and not pa.types.is_boolean(kind)
    return int(kind.bit_width) // 8 if is_number else 0


def _offset_type(kind: pa.DataType) -> np.dtype[Any]:
    is_large = pa.types.is_large_list(kind) or pa.types.is_large_string(kind)
    return np.dtype(np.int64 if is_large else np.int32)


def _view(buffer: pa.Buffer | None, width: int) -> NDArray[Any]:
    """Return a buffer as items of so many bytes: (items,), or (items, width) of bytes."""
    given = b"" if buffer is None else buffer
    if width in (1, 2, 4, 8):
        return np.frombuffer(given, f"u{width}", len(given) // width)
    return np.frombuffer(given, np.uint8, len(given) // width * width).reshape(-1, width)


def _fixed(kind: pa.DataType, count: int, buffer: pa.Buffer) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        content = _fixed(kind.value_type, count * kind.list_size, buffer)
        return pa.Array.from_buffers(kind, count, [None], children=[content])
    return pa.Array.from_buffers(kind, count, [None, buffer])


def _lists(kind: pa.DataType, edges: NDArray[Any], content: Any) -> pa.Array:
    count, offsets = len(edges) - 1, pa.py_buffer(np.ascontiguousarray(edges))
    if isinstance(content, pa.Buffer):
        return pa.Array.from_buffers(kind, count, [None, offsets, content])
    return pa.Array.from_buffers(kind, count, [None, offsets], children=[content])


def _read(file: int, offset: int, width: int, spans: Sequence[Span]) -> bytes:
    """Return the bytes of some rows of so many bytes each."""
    found = b"".join(
        os.pread(file, (stop - start) * width, offset + start * width) for start, stop in spans
    )
    if len(found) < width * sum(stop - start for start, stop in spans):
        raise DataError("a file of the event cache is truncated; delete the cache")
    return found
