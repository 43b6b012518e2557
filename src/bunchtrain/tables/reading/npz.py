"""NPZ archives: arrays with a row per event, or flat arrays with offsets.

With offsets, event i holds the values offsets[i]:offsets[i+1] of the flat arrays.
"""

from __future__ import annotations

import weakref
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.file_table import FileTable, read_errors
from bunchtrain.tables.reading.hdf5_values import to_column
from bunchtrain.tables.reading.npy import NpyArray
from bunchtrain.tables.reading.paths import openable


class NpzTable(FileTable):
    """The arrays of an archive that have one row per event, or one row per item of its lists.

    The lists are defined by the arrays named `offsets` or `…_offsets`. An array (items, n) gives
    the n columns `name_0`, `name_1`, ..., a structured array one column per field.
    """

    def __init__(self, path: str, name: str) -> None:
        with read_errors(path):
            archive = zipfile.ZipFile(openable(path))
            # Also if the table is part of a cycle of references, as with a kept traceback.
            weakref.finalize(self, archive.close)
            self._arrays, damaged = _open_arrays(path, archive)
            self._offsets = dict(_find_offsets(self._arrays))
            super().__init__(path, name, self._count_events())
            self.unreadable |= damaged
            #: Column → array, field of a structured array, index of a column, offsets of its lists.
            self._location: dict[str, tuple[str, str | None, int | None, str | None]] = {}
            for key, array in self._arrays.items():
                self._declare(key, array)
            if not (self.types or self.unreadable):
                raise DataError(f"{path}: the archive has no array with a row per event")

    def _count_events(self) -> int:
        if self._offsets:
            return len(next(iter(self._offsets.values()))) - 1
        lengths = Counter(array.shape[0] for array in self._arrays.values() if array.shape)
        return lengths.most_common(1)[0][0] if lengths else 0

    def _declare(self, key: str, array: NpyArray) -> None:
        if key in self._offsets or not array.shape:
            return
        try:
            lists = self._lists_of(key, array)
        except DataError as problem:
            self.unreadable[key] = str(problem)
            return
        columns = lists is not None and len(array.shape) == 2
        for field in array.dtype.names or (None,):
            for index in range(array.shape[1]) if columns else (None,):
                column = "_".join(str(part) for part in (key, field, index) if part is not None)
                if column in self._location:
                    self.types.pop(column, None)
                    self.unreadable[column] = "several columns of the file have this name"
                    continue
                self._location[column] = (key, field, index, lists)
                try:
                    self.declare(column, self._part(column, 0, 0, {}))
                except TypeError as problem:
                    self.unreadable[column] = f"its type is {array.dtype}: {problem}"

    def _lists_of(self, key: str, array: NpyArray) -> str | None:
        """Return the name of the offsets of an array of items, None for an array of events.

        Raises DataError if the shape fits neither, or both.
        """
        events, rows = self.entries or 0, array.shape[0]
        fitting = [name for name, at in self._offsets.items() if rows == at[-1]]
        named = next((name for name in fitting if _has_prefix(key, name)), None)
        if named or not fitting:
            if named is None and rows != events:
                raise DataError(
                    f"its shape {array.shape} fits neither {events} events nor the items of lists"
                )
            return named
        if rows != events:
            return fitting[0]
        if len(array.shape) == 2:
            return fitting[0]
        if not rows:  # an empty file: only its types are open
            return None
        others = [k for k, one in self._arrays.items() if one.shape[:1] == (rows,)]
        if others == [key]:
            return fitting[0]
        if all(any(_has_prefix(other, name) for other in others) for name in fitting):
            return None
        raise DataError(
            f"it has {rows} rows, and there are as many events as items of '{fitting[0]}'; name "
            f"the offsets by the prefix of their arrays, e.g. '{key}_offsets'"
        )

    def _part(self, column: str, low: int, high: int, slabs: dict[str, Any]) -> ak.Array:
        """Return a column of the events low:high; raises TypeError for a type that is no column."""
        key, field, index, lists = self._location[column]
        at = np.array([low, high]) if lists is None else self._offsets[lists][low : high + 1]
        if key not in slabs:
            slabs[key] = self._arrays[key][int(at[0]) : int(at[-1])]
        part = slabs[key] if index is None else slabs[key][:, index]
        values = to_column(part if field is None else part[field])
        return values if lists is None else ak.unflatten(values, np.diff(at))

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        last = (self.entries or 0) if stop is None else stop
        for low in range(start, last, rows):
            slabs: dict[str, Any] = {}
            high = min(low + rows, last)
            yield {field: self._part(field, low, high, slabs) for field in fields}


def _has_prefix(key: str, offsets: str) -> bool:
    """Return whether `jet_offsets` are by their name those of `jet` or `jet_pt`."""
    prefix = offsets.removesuffix("_offsets")
    return prefix != offsets and (key == prefix or key.startswith(f"{prefix}_"))


def _open_arrays(path: str, archive: zipfile.ZipFile) -> tuple[dict[str, NpyArray], dict[str, str]]:
    """Return the arrays by name, and why others cannot be read."""
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{path}: the archive has the array '{twice[0]}' twice")
    arrays, damaged = {}, {}
    for name in names:
        try:
            arrays[name] = NpyArray(archive, name)
        except (DataError, ValueError, SyntaxError) as problem:
            damaged[name] = f"it is no array of numpy, or damaged: {problem}"
    if damaged and not arrays:
        name, reason = next(iter(damaged.items()))
        raise DataError(f"{path}: the array '{name}' cannot be read: {reason}")
    return arrays, damaged


def _find_offsets(arrays: Mapping[str, NpyArray]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the offsets: not decreasing from 0 to the number of rows of another array."""
    lengths = {name: array.shape[0] for name, array in arrays.items() if array.shape}
    events: int | None = None
    for name, array in arrays.items():
        one = len(array.shape) == 1 and array.dtype.kind in "iu" and array.shape[0] > 0
        if not (one and (name == "offsets" or name.endswith("_offsets"))):
            continue
        values = array[0 : array.shape[0]].astype(np.int64)
        others = {length for other, length in lengths.items() if other != name}
        is_sorted = values[0] == 0 and bool(np.all(np.diff(values) >= 0))
        if is_sorted and int(values[-1]) in others and events in (None, len(values) - 1):
            events = len(values) - 1
            yield name, values
