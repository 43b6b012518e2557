"""Events from ROOT, HDF5, Parquet, CSV, NPZ or ARFF files, local or remote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePath

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.parts.ranges import Finite, Whole
from bunchtrain.tables.cache.shards import rechunk
from bunchtrain.tables.reading import open_table
from bunchtrain.tables.reading.file_table import FileTable
from bunchtrain.tables.reading.paths import content_hash, fingerprint, resolve
from bunchtrain.tables.table import Piece, Table, divide
from bunchtrain.tables.units import (
    Units,
    canonical,
    column_units,
    convert,
    converted,
    converted_types,
    unit_in_name,
)

Value = Whole | Finite | str


class Files(Table):
    """Events of one or more files in order, with a column `file_number`, the index of the file.

    files   paths, globs, `file.root:tree` or addresses such as `https://…`, with `~` and `$NAME`
            replaced.
    tree    tree, data set or key in the file, if there are several.
    format  `root`, `hdf5`, `parquet`, `csv`, `npz` or `arff`, if the file name does not have it.
    names   names of the columns of a CSV file without a header.
    header  whether the first line of a CSV file has names; detected if unset.
    add     columns by file name, `{label: {"ttbar*.root": 1, "*": 0}}`; the first matching pattern
            is used.
    fill    column → its value in files that lack it, `{genweight: 1.0}`.
    units   unit of the energies, momenta and masses in the files, `MeV`, or of columns, patterns or
            groups, `{jet_pt: MeV, "hit_*": cm, track: {d0: um}}`; they are converted to GeV, mm,
            rad and ns. Units that the files state are used; without any nothing is converted.
    by_content  whether files are the same if their content is, wherever and whenever they were
            written; they are read to find out.
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
        units: Units | None = None,
        by_content: bool = False,
    ) -> None:
        self._by_content = by_content
        self._files, self._tree, self._format = files, tree, format
        self._names, self._header, self._add = names, header, add or {}
        self._fill, self._units = fill or {}, units
        self._found: list[tuple[str, str | None]] | None = None
        self._first: FileTable | None = None

    @property
    def paths(self) -> list[tuple[str, str | None]]:
        """The files and the trees given in their paths."""
        if self._found is None:
            self._found = resolve(self._files)
        return self._found

    def fingerprint(self) -> str:
        """Return a hash of the options and of the size, time and ends of every file."""
        options: list[object] = [self._tree, self._format, self._names, self._header, self._add]
        options += [self._fill] if self._fill else []
        options += [{"units": self._units}] if self._units else []
        options += [{"stated": stated}] if (stated := self._stated_conversions()) else []
        of = content_hash if self._by_content else fingerprint
        files = [[of(path), tree] for path, tree in self.paths]
        return hashlib.sha256(json.dumps([options, files]).encode()).hexdigest()

    def fields(self) -> dict[str, str]:
        """Return column → type, of the first file and of the added columns."""
        filled = {name: str(ak.Array([value]).type.content) for name, value in self._fill.items()}
        added = {name: str(kind) for name, kind in self._added_types()}
        types = converted_types(self.table(0).fields(), converted(self._unit_of))
        return {**filled, **types, **added}

    def units(self) -> dict[str, str]:
        """Return column → unit after the conversion, for declared units and those in the files."""
        named = {name: unit for name in self.table(0).fields() if (unit := unit_in_name(name))}
        return named | {name: canonical(unit) for name, unit in self._unit_of.items()}

    @cached_property
    def _unit_of(self) -> dict[str, str]:
        """Column → its unit in the files, declared or stated in them; not that of its name."""
        declared = column_units(self._units, self.table(0).fields())
        stated = {n: u for n, u in self.table(0).units().items() if not unit_in_name(n)}
        return stated | declared

    def _stated_conversions(self) -> dict[str, str]:
        """Return column → unit of the conversions that the files ask for."""
        declared = column_units(self._units, self.table(0).fields())
        return {n: u for n, u in converted(self._unit_of).items() if n not in declared}

    @property
    def order(self) -> str | None:
        """The column in whose order the rows of one file are, by its description."""
        return self.table(0).order if len(self.paths) == 1 else None

    @property
    def key_columns(self) -> Sequence[str]:
        """The columns that identify a row, by the description of the first file."""
        return self.table(0).metadata.key

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """The small tables that the description of the first file names, if they lie beside it."""
        folder = PurePath(self.paths[0][0]).parent
        found = {n: str(folder / f) for n, f in self.table(0).metadata.conditions.items()}
        return {name: Files(files=file) for name, file in found.items() if Path(file).is_file()}

    def _added_types(self) -> Iterator[tuple[str, str]]:
        yield "file_number", "int64"
        for name, values in self._add.items():
            yield name, str(ak.Array(_as_array(name, list(values.values()))).type.content)

    def table(self, file: int) -> FileTable:
        """Return the opened table of a file by its index."""
        if file == 0 and self._first is not None:
            return self._first
        path, tree = self.paths[file]
        table = open_table(
            path, tree or self._tree, format=self._format, names=self._names, header=self._header
        )
        if file == 0:
            self._first = table
        return table

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""
        self._check_added(columns)
        for file in range(len(self.paths)):
            yield from self._of_file(file, columns, rows)

    def pieces(self, rows: int) -> list[Piece]:
        """Return ranges of the files; [] if one must be read to know its rows."""
        tables = [self.table(file) for file in range(len(self.paths))]
        return divide([one.entries for one in tables], [one.starts(rows) for one in tables])

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of a piece."""
        self._check_added(columns)
        blocks = self._of_file(piece.file, columns, rows, piece.start, piece.stop)
        yield from rechunk(rows, blocks)  # those of Parquet begin with a row group

    @property
    def note(self) -> str:
        """What was decided in opening the first file."""
        stated = self._stated_conversions()
        units = ", ".join(f"{name} from {unit}" for name, unit in list(stated.items())[:5])
        more = f" and {len(stated) - 5} more" if len(stated) > 5 else ""
        change = f"converted as the file states: {units}{more}" if units else ""
        notes = [self.table(0).note, change]
        text = "; ".join(filter(None, notes))
        return f"{self.paths[0][0]}: {text}" if text else ""

    @property
    def entries(self) -> int | None:
        """The number of events, None if a file must be read to count them."""
        found = [self.table(file).entries for file in range(len(self.paths))]
        return None if None in found else sum(one or 0 for one in found)

    def place(self, entry: int) -> str:
        """Return the file and the entry in it of the row of this index."""
        for file, (path, _) in enumerate(self.paths):
            entries = self.table(file).entries
            if entries is None or entry < entries:
                return f"{path}, entry {entry}"
            entry -= entries
        return f"entry {entry}"

    def sample(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield about `rows` events: of each file the same number, from ten ranges over it."""
        self._check_added(columns)
        share = max(1, rows // len(self.paths))
        for file in range(len(self.paths)):
            entries = self.table(file).entries
            for start, stop in ranges(entries or share, share):
                yield from self._of_file(file, columns, share, start, stop)

    def _of_file(
        self,
        file: int,
        columns: Collection[str],
        rows: int,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[ak.Array]:
        made = {"file_number", *self._add}
        stored = [column for column in columns if column not in made]
        table = self.table(file)
        available = [name for name in stored if name in table.fields() or name not in self._fill]
        units = {n: unit for n, unit in converted(self._unit_of).items() if n in available}

        def completed(chunk: ak.Array) -> ak.Array:
            for name, unit in units.items():
                chunk[name] = convert(chunk[name], unit)
            return self._add_columns(chunk, list(columns), file)

        # `map` does not hold a chunk while it is used.
        yield from map(completed, table.blocks(available, rows, start, stop))

    def _check_added(self, columns: Collection[str]) -> None:
        for name in self._add.keys() & set(columns):
            self._check_add(name)

    def _check_add(self, name: str) -> None:
        if name in self.table(0).fields():
            raise StudyError(f"source.add.{name}: the files already have a column of this name")
        for file in range(len(self.paths)):
            self._pattern(name, file)

    def _add_columns(self, chunk: ak.Array, columns: list[str], file: int) -> ak.Array:
        entries = len(chunk)
        parts = {}
        for column in columns:
            if column == "file_number":
                parts[column] = ak.Array(np.full(entries, file, dtype=np.int64))
            elif column in self._add:
                parts[column] = self._constant(column, file, entries)
            elif column not in chunk.fields:
                parts[column] = ak.Array([self._fill[column]])[np.zeros(entries, np.int64)]
            else:
                parts[column] = chunk[column]
        return ak.zip(parts, depth_limit=1) if parts else chunk

    def _constant(self, name: str, file: int, entries: int) -> ak.Array:
        values = _as_array(name, list(self._add[name].values()))
        index = list(self._add[name]).index(self._pattern(name, file))
        return values[np.full(entries, index)]

    def _pattern(self, name: str, file: int) -> str:
        path = self.paths[file][0]
        for pattern in self._add[name]:
            if fnmatch(path, pattern) or fnmatch(PurePath(path).name, pattern):
                return pattern
        known = one_of(self._add[name])
        raise StudyError(f"source.add.{name}: no pattern of ({known}) matches the file '{path}'")


def _as_array(name: str, values: list[Value]) -> ak.Array:
    if len({isinstance(value, str) for value in values}) != 1:
        raise StudyError(f"source.add.{name} mixes strings and numbers; use one type")
    return ak.Array(values)


def unknown_column(column: str, known: Collection[str], where: str) -> DataError:
    """Return the error for a column that a source does not have."""
    hint = nearest(column, known) or f"; it has {one_of(known)}"
    return DataError(f"{where} has no column '{column}'{hint}")


def ranges(entries: int, rows: int, count: int = 10) -> list[tuple[int, int]]:
    """Return (start, stop) of ranges over a table that together have at most `rows` rows."""
    if entries <= rows:
        return [(0, entries)]
    size = max(1, rows // count)
    starts = np.linspace(0, entries - size, min(count, rows)).astype(int)
    return [(int(start), int(start) + size) for start in starts]
