"""Awkward arrays ↔ Arrow tables in the types that training needs, without a copy if possible."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.tables.column_types import simplify

_MMAP_THRESHOLD = -3  # name of a setting of glibc, see mallopt(3)


def compact(column: ak.Array) -> ak.Array:
    """Return a column with floats as float32, booleans as uint8 and missing numbers as NaN."""
    return ak.transform(_compact, simplify(column))


def _compact(layout: Any, **_: Any) -> Any:
    if layout.is_numpy and layout.dtype.kind in "fb":
        kind = np.float32 if layout.dtype.kind == "f" else np.uint8
        return layout.copy(data=layout.data.astype(kind, copy=False))
    return None


def to_table(columns: Mapping[str, ak.Array | NDArray[Any]]) -> pa.Table:
    """Return columns of equal length as a table of packed, non-nullable Arrow columns."""
    events = ak.zip({name: ak.to_packed(column) for name, column in columns.items()}, depth_limit=1)
    return ak.to_arrow_table(events, extensionarray=False)


def from_arrow(values: Any) -> ak.Array:
    """Return an Arrow array as an Awkward one, without a copy if it begins its buffers."""
    # awkward 2.14 reads the missing values of a slice from the beginning of the buffer.
    if values.offset:
        values = values.take(array_of(np.arange(len(values))))
    return ak.from_arrow(values)


def array_of(values: NDArray[Any]) -> pa.Array:
    """Return numbers as an Arrow array, without a copy; `pa.array` would import pandas first."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def slice_blocks(
    blocks: Iterable[Any], fields: Collection[str], rows: int, start: int, stop: int | None
) -> Iterator[dict[str, ak.Array]]:
    """Yield the rows from `start` to `stop` of Arrow record batches, at most `rows` at a time.

    stop  all rows if None.
    """
    offset = 0
    for block in blocks:
        low = max(start - offset, 0)
        high = len(block) if stop is None else min(stop - offset, len(block))
        columns = {f: from_arrow(block.column(f)) for f in fields} if low < high else {}
        for first in range(low, high, rows):
            yield {f: values[first : min(first + rows, high)] for f, values in columns.items()}
        offset += len(block)
        if stop is not None and offset >= stop:
            return


def to_events(table: pa.Table) -> ak.Array:
    """Return a table as records, without a copy if its columns are contiguous."""
    return ak.from_arrow(table)


def make_contiguous(table: pa.Table) -> pa.Table:
    """Return a table without chunks, in memory that is returned to the system when it is freed."""
    return table.combine_chunks(pa.system_memory_pool())


def write(table: pa.Table, path: Path) -> None:
    """Write a table as one Arrow file."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(make_contiguous(table))


def read(path: Path, columns: Collection[str] | None = None) -> pa.Table:
    """Return a memory-mapped Arrow file; its pages are loaded on access."""
    # Choosing fields in the reader's options would copy all of them into memory.
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    return table if columns is None else table.select(list(columns))


@cache
def _c_library() -> Any:
    return ctypes.CDLL(None)


def malloc_trim() -> None:
    """Return freed memory to the system with glibc's `malloc_trim`; do nothing without glibc.

    Blocks of tens of megabytes that are allocated and freed fragment the heap: without this the
    memory of a process that streams events grows although it never uses more.
    """
    if hasattr(_c_library(), "malloc_trim"):
        _c_library().malloc_trim(0)


@contextmanager
def unmap_freed_blocks() -> Iterator[None]:
    """Return every block above 1 MB to the system when it is freed, within this context.

    glibc raises the size from which on it does so to that of the largest block that was freed, up
    to 32 MB: blocks of a chunk of events then leave holes in the heap, and the peak grows with the
    number of chunks. Without glibc nothing changes.
    """
    if not hasattr(_c_library(), "mallopt"):
        yield
        return
    _c_library().mallopt(_MMAP_THRESHOLD, 1 << 20)
    try:
        yield
    finally:
        _c_library().mallopt(_MMAP_THRESHOLD, 1 << 25)  # as glibc sets it itself
