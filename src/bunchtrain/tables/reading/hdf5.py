"""HDF5 files through h5py: structured arrays as ATLAS writes them, arrays, pandas tables.

A group is a table of the arrays in it that have one row an event:

* a structured array `jets` (events,) gives `jets_pt`, ...; chosen itself as the table, `pt`, ...;
* a structured array `tracks` (events, slots) gives lists `tracks_pt`, ..., of the slots whose
  field `valid` is true, or of all if there is none;
* an array (events,) gives one column, (events, n) a list an event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import h5py
import numpy as np

from bunchtrain.tables.reading import pandas_table
from bunchtrain.tables.reading.compression import ready
from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.reading.table import Table, reading


def _open(path: str) -> Any:
    return h5py.File(openable(path), "r")


def tables(path: str) -> list[str]:
    """Return the groups that hold arrays of events; '/' alone if the file itself does."""
    with reading(path), _open(path) as file:
        if any(_is_column(item) for item in file.values()):
            return ["/"]
        found: list[str] = []
        _collect(file, found)
        return found


def choose(path: str, name: str | None) -> str | None:
    """Return the name if the file has a group or an array of that name."""
    with reading(path), _open(path) as file:
        return name if name is not None and name in file else None


def _collect(group: Any, found: list[str]) -> None:
    for item in group.values():
        if not isinstance(item, h5py.Group) or item.name.rpartition("/")[2].startswith("_i_"):
            continue
        if pandas_table.layout(item) or any(_is_column(inner) for inner in item.values()):
            found.append(item.name.strip("/"))
        else:
            _collect(item, found)


def _is_column(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.ndim > 0


def open_table(path: str, name: str) -> Table:
    """Return a table of an HDF5 file, of pandas' layout or plain."""
    with reading(path):
        item = ready(_open(path)[name])
        if isinstance(item, h5py.Group) and pandas_table.layout(item):
            return pandas_table.PandasTable(path, name, item)
        return ArrayTable(path, name, item)


class ArrayTable(Table):
    """The arrays of a group that have one row an event, or one structured array."""

    def __init__(self, path: str, name: str, item: Any) -> None:
        chosen = isinstance(item, h5py.Dataset)
        self._arrays = {"": item} if chosen else {k: v for k, v in item.items() if _is_column(v)}
        entries = _common_length(self._arrays)
        super().__init__(path, name, entries)
        for key in [key for key, array in self._arrays.items() if len(array) != entries]:
            array = self._arrays.pop(key)
            self.unreadable[key] = f"it has {len(array)} rows, and the table {entries}"
        self._parts: dict[str, tuple[str, str | None]] = {}
        for key, array in self._arrays.items():
            self._declare_array(key, array)

    def _declare_array(self, key: str, array: Any) -> None:
        for part in array.dtype.names or (None,):
            if part == "valid" and array.ndim > 1:
                continue
            column = "_".join(text for text in (key, part) if text)
            self._parts[column] = (key, part)
            try:
                self.declare(column, _column(self._slab(key, [part], 0, 0), part))
            except (TypeError, ValueError):
                self.unreadable[column] = f"it is of the type {array.dtype}"

    def _slab(self, key: str, parts: list[Any], start: int, stop: int) -> Any:
        array = self._arrays[key]
        if array.dtype.names is None:
            return (
                array.asstr()[start:stop]
                if h5py.check_string_dtype(array.dtype)
                else array[start:stop]
            )
        valid = ["valid"] if "valid" in array.dtype.names and array.ndim > 1 else []
        return array.fields([*dict.fromkeys([*parts, *valid])])[start:stop]

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        wanted: dict[str, list[Any]] = {}
        for field in fields:
            key, part = self._parts[field]
            wanted.setdefault(key, []).append(part)
        last = self.entries if stop is None else stop
        for low in range(start, last or 0, rows):
            high = min(low + rows, last or 0)
            slabs = {key: self._slab(key, parts, low, high) for key, parts in wanted.items()}
            yield {f: _column(slabs[self._parts[f][0]], self._parts[f][1]) for f in fields}


def _common_length(arrays: Mapping[str, Any]) -> int:
    return Counter(len(array) for array in arrays.values()).most_common(1)[0][0]


def _column(slab: Any, part: str | None) -> ak.Array:
    """Return one field of a block, its slots that are not valid left out."""
    values = slab if part is None else slab[part]
    valid = slab["valid"].astype(bool) if _has_valid(slab, part) else None
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype.kind in "SO":
        column = ak.Array(pandas_table.texts(values))
        return column if len(column) else ak.Array([""])[:0]
    if valid is None:
        return ak.Array(np.ascontiguousarray(values))
    return ak.unflatten(ak.Array(values[valid]), valid.sum(axis=1))


def _has_valid(slab: Any, part: str | None) -> bool:
    return part is not None and "valid" in slab.dtype.names and slab.ndim == 2
