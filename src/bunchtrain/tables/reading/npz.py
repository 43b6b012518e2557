"""NPZ archives of flat arrays with offsets: event i holds the values offsets[i]:offsets[i+1]."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.reading.table import Table, read_errors


class _Array:
    """One array of an archive, or one column of it, decompressed in consecutive blocks of rows."""

    def __init__(self, archive: zipfile.ZipFile, name: str, column: int | None = None) -> None:
        self._file = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(self._file)
        header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else (np.lib.format.read_array_header_2_0)
        )
        self.shape, self.fortran, self.dtype = header(self._file)
        self._begin = self._file.tell()
        if column is not None:
            self._begin += column * self.shape[0] * self.dtype.itemsize
            self.shape = self.shape[:1]

    def __getitem__(self, block: slice) -> Any:
        row = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=int))
        self._file.seek(self._begin + block.start * row)
        values = np.frombuffer(self._file.read((block.stop - block.start) * row), self.dtype)
        return values.reshape(-1, *self.shape[1:])


class NpzTable(Table):
    """The arrays of an archive that have one row per event, or one row per item of its lists.

    The lists are defined by the arrays named `offsets` or `…_offsets`. An array (items, n) gives
    the n columns `name_0`, `name_1`, ...
    """

    def __init__(self, path: str, name: str) -> None:
        with read_errors(path):
            self._archive = zipfile.ZipFile(openable(path))
            names = [n.removesuffix(".npy") for n in self._archive.namelist() if n.endswith(".npy")]
            arrays = dict(_arrays(self._archive, names))
            super().__init__(path, name, _events(arrays))
            self._arrays = arrays
            self._offsets = self._find_offsets()
            self._location: dict[str, tuple[str, int | None, str | None]] = {}
            for key, array in arrays.items():
                self._declare(key, array)

    def _find_offsets(self) -> dict[str, Any]:
        events = self.entries or 0
        return {
            key: array[0 : events + 1]
            for key, array in self._arrays.items()
            if _is_offsets(key) and array.shape == (events + 1,)
        }

    def _declare(self, key: str, array: _Array) -> None:
        if key in self._offsets:
            return
        lists = next((o for o, at in self._offsets.items() if array.shape[:1] == (at[-1],)), None)
        flat = array.shape[:1] == (self.entries,) and not (lists and len(array.shape) == 2)
        fortran = array.fortran and len(array.shape) > 1
        if not (flat or lists) or fortran or array.dtype.kind not in "fiub":
            self.unreadable[key] = _reason(array, self.entries or 0)
            return
        indices = range(array.shape[1]) if len(array.shape) == 2 and not flat else [None]
        for index in indices:
            column = key if index is None else f"{key}_{index}"
            self._location[column] = (key, index, None if flat else lists)
            self.declare(column, self._column(column, 0, 0, {}))

    def _column(self, field: str, low: int, high: int, slabs: dict[str, Any]) -> ak.Array:
        key, index, lists = self._location[field]
        at = np.array([low, high]) if lists is None else self._offsets[lists][low : high + 1]
        if key not in slabs:
            slabs[key] = self._arrays[key][int(at[0]) : int(at[-1])]
        part = slabs[key] if index is None else np.ascontiguousarray(slabs[key][:, index])
        return ak.Array(part) if lists is None else ak.unflatten(ak.Array(part), np.diff(at))

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        last = (self.entries or 0) if stop is None else stop
        for low in range(start, last, rows):
            slabs: dict[str, Any] = {}
            high = min(low + rows, last)
            yield {field: self._column(field, low, high, slabs) for field in fields}


def _arrays(archive: zipfile.ZipFile, names: list[str]) -> Iterator[tuple[str, _Array]]:
    """Yield the arrays by name, those in Fortran order column by column, as they are stored."""
    for name in names:
        array = _Array(archive, name)
        if array.fortran and len(array.shape) == 2:
            for column in range(array.shape[1]):
                yield f"{name}_{column}", _Array(archive, name, column)
        else:
            yield name, array


def _is_offsets(key: str) -> bool:
    return key == "offsets" or key.endswith("_offsets")


def _events(arrays: Mapping[str, _Array]) -> int:
    """Return the number of events: from the shortest offsets, else the most common length."""
    offsets = [m.shape[0] - 1 for key, m in arrays.items() if _is_offsets(key) and m.shape]
    lengths = Counter(array.shape[0] for array in arrays.values() if array.shape)
    return int(min(offsets) if offsets else lengths.most_common(1)[0][0])


def _reason(array: _Array, events: int) -> str:
    if array.dtype.kind not in "fiub":
        return f"its type is {array.dtype}"
    if array.fortran and len(array.shape) > 1:
        return "it is stored in Fortran order"
    return f"its shape {array.shape} fits neither {events} events nor the items of their lists"
