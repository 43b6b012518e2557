"""HDF5 files, read with h5py: structured arrays (ATLAS format), arrays, pandas tables.

A group is a table of its arrays that have one row per event:

* a structured array `jets` (events,) gives `jets_pt`, ...; selected as the table, `pt`, ...;
* a structured array `tracks` (events, slots) gives lists `tracks_pt`, ..., of the slots whose
  field `valid` is true, or of all slots without that field;
* an array (events,) gives one column, (events, n) a list per event;
* a group of `values` (items,) and `offsets` (events + 1,) gives lists.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import h5py
import numpy as np

from bunchtrain.errors import DataError, missing
from bunchtrain.tables.metadata import KEY
from bunchtrain.tables.reading import pandas_table
from bunchtrain.tables.reading.file_table import FileTable, read_errors
from bunchtrain.tables.reading.hdf5_values import logical_type, member_names, to_column, unsupported
from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.units import is_unit


def _open(path: str) -> Any:
    return h5py.File(openable(path), "r")


def tables(path: str) -> list[str]:
    """Return the groups that contain arrays of events; only '/' if the root group does."""
    with read_errors(path), _open(path) as file:
        if any(_is_column(item) for item in _items(file)):
            return ["/"]
        found: list[str] = []
        _collect(file, found)
        return found


def has(path: str, name: str) -> bool:
    """Return whether the file has a group or an array of this name."""
    with read_errors(path), _open(path) as file:
        return file.get(name) is not None


def _items(group: Any) -> Iterator[Any]:
    """Yield the groups and arrays of a group, without links to what does not exist."""
    found = (group.get(name) for name in group)
    return (item for item in found if item is not None)


def _collect(group: Any, found: list[str]) -> None:
    for item in _items(group):
        if not isinstance(item, h5py.Group) or item.name.rpartition("/")[2].startswith("_i_"):
            continue
        if pandas_table.layout(item) or any(map(_is_column, _items(item))):
            found.append(item.name.strip("/"))
        else:
            _collect(item, found)


def _is_column(item: Any) -> bool:
    return (isinstance(item, h5py.Dataset) and bool(item.shape)) or _is_lists(item)


def _is_lists(item: Any) -> bool:
    """Return whether a group is a column of lists: their values, and the offsets of each list."""
    return isinstance(item, h5py.Group) and set(item) == {"values", "offsets"}


def _column_of(item: Any) -> Any:
    return ListArray(item) if _is_lists(item) else item


class ListArray:
    """A column of lists, `values` (items,) and `offsets` (rows + 1,), sliced by rows."""

    def __init__(self, group: Any) -> None:
        self.values, self.offsets = group["values"], group["offsets"]
        self.dtype, self.ndim, self.attrs = self.values.dtype, 1, group.attrs

    def __len__(self) -> int:
        return max(0, len(self.offsets) - 1)

    def read(self, start: int, stop: int) -> ak.Array:
        """Return the lists of rows; raises DataError if the offsets do not fit the values."""
        offsets = self.offsets[start : stop + 1].astype(np.int64)
        counts = np.diff(offsets)
        if len(offsets) and (np.any(counts < 0) or offsets[-1] > len(self.values)):
            raise DataError("the offsets of its lists do not fit its values")
        values = self.values[offsets[0] : offsets[-1]] if len(offsets) else self.values[:0]
        return ak.unflatten(to_column(values, logical_type(self.values)), counts)


def open_table(path: str, name: str) -> FileTable:
    """Return a table of an HDF5 file, in the layout of pandas or of plain arrays."""
    with read_errors(path):
        item = _open(path)[name]
        _check_compression(item)
        if isinstance(item, h5py.Group) and pandas_table.layout(item):
            return pandas_table.PandasTable(path, name, item)
        return ArrayTable(path, name, item)


def _check_compression(item: Any) -> None:
    """Raise MissingDependency if an array needs hdf5plugin, as Blosc, and it is not installed."""
    if isinstance(item, h5py.Group):
        for inner in item.values():
            if isinstance(inner, h5py.Dataset):
                _check_compression(inner)
        return
    properties = item.id.get_create_plist()
    for index in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(index)
        if not h5py.h5z.filter_avail(code):
            try:
                importlib.import_module("hdf5plugin")  # registers its filters
            except ImportError:
                text = name.decode("utf-8", "replace") or code
                purpose = f"the compression '{text}' of '{item.name}' in {item.file.filename}"
                raise missing("hdf5plugin", "hdf5", purpose) from None


class ArrayTable(FileTable):
    """The arrays of a group that have one row per event, or one structured array."""

    def __init__(self, path: str, name: str, item: Any) -> None:
        is_array = isinstance(item, h5py.Dataset)
        arrays = [("", item)] if is_array else [(k, item.get(k)) for k in item]
        self._root = item.file
        self._arrays = {key: _column_of(array) for key, array in arrays if _is_column(array)}
        if not self._arrays:
            raise DataError(f"{path}: '{name}' has no array of events")
        entries = Counter(len(array) for array in self._arrays.values()).most_common(1)[0][0]
        super().__init__(path, name, entries)
        for key in [key for key, array in self._arrays.items() if len(array) != entries]:
            array = self._arrays.pop(key)
            self.unreadable[key] = f"it has {len(array)} rows, and the table has {entries}"
        self._parts: dict[str, tuple[str, str | None]] = {}
        self._logical: dict[str, str] = {}
        for key, array in self._arrays.items():
            self._declare_array(key, array)

    def _declare_array(self, key: str, array: Any) -> None:
        if isinstance(array, ListArray):
            self._parts[key], self._logical[key] = (key, None), ""
            self.declare(key, array.read(0, 0))
            return
        if reason := unsupported(array):
            for name in member_names(array) or [""]:
                self.unreadable["_".join(text for text in (key, name) if text)] = reason
            return
        for part in array.dtype.names or (None,):
            if part == "valid" and _has_valid(array):
                continue
            column = "_".join(text for text in (key, part) if text)
            if column in self._parts:
                self.types.pop(column, None)
                self.unreadable[column] = "several columns of the file have this name"
                continue
            self._parts[column] = (key, part)
            self._logical[column] = logical_type(array, part)
            try:
                self.declare(column, self._column(self._slab(key, [part], 0, 0), column))
            except (TypeError, ValueError) as problem:
                kind = array.dtype if part is None else array.dtype[part]
                self.unreadable[column] = f"its type is {kind}: {problem}"

    def _metadata_text(self) -> str:
        found = self._root.get(KEY)
        is_text = isinstance(found, h5py.Dataset) and h5py.check_string_dtype(found.dtype)
        return found.asstr()[()] if is_text and not found.shape else ""

    def _stored_units(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for column, (key, part) in self._parts.items():
            attributes = self._arrays[key].attrs if part is None else {}
            unit = str(attributes.get("unit", attributes.get("units", "")))
            found |= {column: unit} if is_unit(unit) else {}
        return found

    def _slab(self, key: str, parts: list[Any], start: int, stop: int) -> Any:
        array = self._arrays[key]
        if isinstance(array, ListArray):
            try:
                return array.read(start, stop)
            except DataError as problem:
                raise DataError(
                    f"{self.path}: the column '{key}' of '{self.name}' cannot be read: {problem}"
                ) from None
        if array.dtype.names is None:
            return array[start:stop]
        valid = ["valid"] if _has_valid(array) else []
        return array.fields([*dict.fromkeys([*parts, *valid])])[start:stop]

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        parts_of: dict[str, list[Any]] = {}
        for field in fields:
            key, part = self._parts[field]
            parts_of.setdefault(key, []).append(part)
        last = self.entries if stop is None else stop
        for low in range(start, last or 0, rows):
            high = min(low + rows, last or 0)
            slabs = {key: self._slab(key, parts, low, high) for key, parts in parts_of.items()}
            yield {f: self._named(f, slabs[self._parts[f][0]]) for f in fields}

    def _named(self, column: str, slab: Any) -> ak.Array:
        try:
            return self._column(slab, column)
        except (DataError, TypeError, ValueError) as problem:
            raise DataError(
                f"{self.path}: the column '{column}' of '{self.name}' cannot be read: {problem}"
            ) from None

    def _column(self, slab: Any, column: str) -> ak.Array:
        """Return one field of a block, without the slots that are not valid."""
        _, part = self._parts[column]
        if isinstance(slab, ak.Array):
            return slab
        values = slab if part is None else slab[part]
        if part is None or not _has_valid(slab):
            return to_column(values, self._logical[column])
        valid = slab["valid"].astype(bool)
        return ak.unflatten(to_column(values[valid], self._logical[column]), valid.sum(axis=1))


def _has_valid(array: Any) -> bool:
    """Return whether an array has slots with a field of whether they are filled."""
    return array.ndim == 2 and "valid" in (array.dtype.names or ())
