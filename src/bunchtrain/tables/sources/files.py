"""Columns of files as they are: ROOT, HDF5, Parquet, CSV or NPZ, local or remote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import PurePath

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.tables.reading import open_table
from bunchtrain.tables.reading.paths import fingerprint, resolve
from bunchtrain.tables.reading.table import Table
from bunchtrain.tables.source import Source

Value = int | float | str


class Files(Source):
    """Events of one or many files, one after the other, with a column `file_number`.

    `files` are paths, globs, `file.root:tree` or addresses as `https://…`, with `~` and `$NAME`
    replaced. `add` makes columns from the files' names: `{label: {"ttbar*.root": 1, "*": 0}}`,
    the first pattern that fits counts. `fill` gives the value of columns that some of the files
    lack: `{genweight: 1.0}`. `names` and `header` are for CSV without a header.
    """

    def __init__(
        self,
        *,
        files: str | list[str],
        tree: str | None = None,
        format: str | None = None,
        names: list[str] | None = None,
        header: bool | None = None,
        add: dict[str, dict[str, Value]] | None = None,
        fill: dict[str, Value] | None = None,
    ) -> None:
        self._files, self._tree, self._format = files, tree, format
        self._names, self._header, self._add = names, header, add or {}
        self._fill = fill or {}
        self._found: list[tuple[str, str | None]] | None = None
        self._first: Table | None = None

    @property
    def paths(self) -> list[tuple[str, str | None]]:
        """The files with the trees that their paths name."""
        if self._found is None:
            self._found = resolve(self._files)
        return self._found

    def fingerprint(self) -> str:
        """Return a hash of the options and of every file's size, time and ends."""
        options: list[object] = [self._tree, self._format, self._names, self._header, self._add]
        options += [self._fill] if self._fill else []
        told = [[fingerprint(path), tree] for path, tree in self.paths]
        return hashlib.sha256(json.dumps([options, told]).encode()).hexdigest()

    def fields(self) -> dict[str, str]:
        """Return column → type, of the first file and of what is added."""
        filled = {name: str(ak.Array([value]).type.content) for name, value in self._fill.items()}
        added = {name: str(kind) for name, kind in self._added_types()}
        return {**filled, **self.table(0).fields, **added}

    def _added_types(self) -> Iterator[tuple[str, str]]:
        yield "file_number", "int64"
        for name, values in self._add.items():
            yield name, str(ak.Array(self._spread(name, list(values.values()))).type.content)

    def _spread(self, name: str, values: list[Value]) -> ak.Array:
        if len({isinstance(value, str) for value in values}) != 1:
            raise StudyError(f"source.add.{name} mixes texts and numbers; give one kind")
        return ak.Array(values)

    def table(self, number: int) -> Table:
        """Return the opened table of a file."""
        if number == 0 and self._first is not None:
            return self._first
        path, tree = self.paths[number]
        table = open_table(
            path, tree or self._tree, format=self._format, names=self._names, header=self._header
        )
        if number == 0:
            self._first = table
        return table

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events, file by file, as records of these columns, at most `rows` at once."""
        made = {"file_number", *self._add}
        stored = [column for column in columns if column not in made]
        for name in self._add.keys() & set(columns):
            self._check_add(name)
        for number in range(len(self.paths)):
            table = self.table(number)
            there = [name for name in stored if name in table.fields or name not in self._fill]
            for chunk in table.chunks(there, rows):
                yield self._with_added(chunk, list(columns), number)

    def _check_add(self, name: str) -> None:
        if name in self.table(0).fields:
            raise StudyError(f"source.add.{name}: the files have a column of this name already")
        for number in range(len(self.paths)):
            self._value(name, number)

    def _with_added(self, chunk: ak.Array, columns: list[str], number: int) -> ak.Array:
        entries = len(chunk)
        parts = {}
        for column in columns:
            if column == "file_number":
                parts[column] = ak.Array(np.full(entries, number, dtype=np.int64))
            elif column in self._add:
                parts[column] = self._constant(column, number, entries)
            elif column not in chunk.fields:
                parts[column] = ak.Array([self._fill[column]])[np.zeros(entries, np.int64)]
            else:
                parts[column] = chunk[column]
        return ak.zip(parts, depth_limit=1) if parts else chunk

    def _constant(self, name: str, number: int, entries: int) -> ak.Array:
        values = self._spread(name, list(self._add[name].values()))
        place = list(self._add[name]).index(self._pattern(name, number))
        return values[np.full(entries, place)]

    def _value(self, name: str, number: int) -> Value:
        return self._add[name][self._pattern(name, number)]

    def _pattern(self, name: str, number: int) -> str:
        path = self.paths[number][0]
        for pattern in self._add[name]:
            if fnmatch(path, pattern) or fnmatch(PurePath(path).name, pattern):
                return pattern
        known = one_of(self._add[name])
        raise StudyError(f"source.add.{name}: no pattern of ({known}) fits the file '{path}'")


def unknown_column(column: str, known: Collection[str], where: str) -> DataError:
    """Return the error for a column that a source does not give."""
    hint = nearest(column, known) or f"; it has {one_of(known)}"
    return DataError(f"{where} has no column '{column}'{hint}")
