"""NPZ archives of flat arrays with offsets: event i holds the values offsets[i]:offsets[i+1]."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.reading.table import Table, reading


class _Member:
    """One array of an archive, or one column of it, decompressed in blocks of rows in order."""

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
    """The arrays of an archive that have one row an event, or one row an item of its lists.

    The lists are found by the arrays named `offsets` or `…_offsets`. An array (items, n) gives
    the n columns `name_0`, `name_1`, ...
    """

    def __init__(self, path: str, name: str) -> None:
        with reading(path):
            self._archive = zipfile.ZipFile(openable(path))
            names = [n.removesuffix(".npy") for n in self._archive.namelist() if n.endswith(".npy")]
            members = dict(_members(self._archive, names))
            super().__init__(path, name, _events(members))
            self._members = members
            self._offsets = self._find_offsets()
            self._place: dict[str, tuple[str, int | None, str | None]] = {}
            for key, member in members.items():
                self._declare_member(key, member)

    def _find_offsets(self) -> dict[str, Any]:
        events = self.entries or 0
        return {
            key: member[0 : events + 1]
            for key, member in self._members.items()
            if _is_offsets(key) and member.shape == (events + 1,)
        }

    def _declare_member(self, key: str, member: _Member) -> None:
        if key in self._offsets:
            return
        lists = next((o for o, at in self._offsets.items() if member.shape[:1] == (at[-1],)), None)
        flat = member.shape[:1] == (self.entries,) and not (lists and len(member.shape) == 2)
        upside = member.fortran and len(member.shape) > 1
        if not (flat or lists) or upside or member.dtype.kind not in "fiub":
            self.unreadable[key] = _why(member, self.entries or 0)
            return
        many = range(member.shape[1]) if len(member.shape) == 2 and not flat else [None]
        for number in many:
            column = key if number is None else f"{key}_{number}"
            self._place[column] = (key, number, None if flat else lists)
            self.declare(column, self._column(column, 0, 0, {}))

    def _column(self, field: str, low: int, high: int, slabs: dict[str, Any]) -> ak.Array:
        key, number, lists = self._place[field]
        at = np.array([low, high]) if lists is None else self._offsets[lists][low : high + 1]
        if key not in slabs:
            slabs[key] = self._members[key][int(at[0]) : int(at[-1])]
        part = slabs[key] if number is None else np.ascontiguousarray(slabs[key][:, number])
        return ak.Array(part) if lists is None else ak.unflatten(ak.Array(part), np.diff(at))

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        last = (self.entries or 0) if stop is None else stop
        for low in range(start, last, rows):
            slabs: dict[str, Any] = {}
            high = min(low + rows, last)
            yield {field: self._column(field, low, high, slabs) for field in fields}


def _members(archive: zipfile.ZipFile, names: list[str]) -> Iterator[tuple[str, _Member]]:
    """Yield the arrays by name, those in Fortran order by their columns, which lie together."""
    for name in names:
        member = _Member(archive, name)
        if member.fortran and len(member.shape) == 2:
            for column in range(member.shape[1]):
                yield f"{name}_{column}", _Member(archive, name, column)
        else:
            yield name, member


def _is_offsets(key: str) -> bool:
    return key == "offsets" or key.endswith("_offsets")


def _events(members: Mapping[str, _Member]) -> int:
    """Return the number of events: of the shortest offsets, else the most common length."""
    offsets = [m.shape[0] - 1 for key, m in members.items() if _is_offsets(key) and m.shape]
    lengths = Counter(member.shape[0] for member in members.values() if member.shape)
    return int(min(offsets) if offsets else lengths.most_common(1)[0][0])


def _why(member: _Member, events: int) -> str:
    if member.dtype.kind not in "fiub":
        return f"it is of the type {member.dtype}"
    if member.fortran and len(member.shape) > 1:
        return "it is stored in Fortran order"
    return f"its shape {member.shape} fits neither {events} events nor the items of their lists"
