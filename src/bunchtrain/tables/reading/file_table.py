"""One table of events in one file of any format: columns by name, in chunks."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import awkward as ak

from bunchtrain.errors import BunchtrainError, DataError, nearest
from bunchtrain.tables.column_types import (
    as_float64,
    as_text,
    empty_column,
    has_optional_integers,
    kind,
    simplify,
    split_records,
)
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.reading.paths import fingerprint
from bunchtrain.tables.table import Table
from bunchtrain.tables.units import unit_in_name

#: Rows that are read together to find missing values.
_ROWS = 100_000


class FileTable(Table):
    """A table of events in a file.

    `types` maps column → type, `unreadable` content that cannot be a column → the reason. A
    column of integers of which one is missing is float64 in all of the table.
    """

    seekable = True
    #: Whether types may be those of the first rows, as for the display of a large file.
    sampled = False
    #: What was decided in opening the file, for its inspection.
    note = ""
    entries: int | None = None

    def __init__(self, path: str, name: str, entries: int | None) -> None:
        self.path, self.name, self.entries = path, name, entries
        self.types: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self._field_of: dict[str, str] = {}
        self._optional: set[str] = set()
        self._floats: set[str] = set()

    def fingerprint(self) -> str:
        """Return a hash of the size, time and ends of the file, with the name of the table."""
        return f"{fingerprint(self.path)} {self.name}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return self.types

    @cached_property
    def metadata(self) -> TableMetadata:
        """What the toolkit wrote into the file about the table; empty for other files."""
        return TableMetadata.from_json(self._metadata_text())

    def _metadata_text(self) -> str:
        """Return the description in the file, '' without one."""
        return ""

    def _stored_units(self) -> dict[str, str]:
        """Return column → unit from the file's own descriptions of its columns."""
        return {}

    def units(self) -> dict[str, str]:
        """Return column → unit of the stored values, described in the file or by a name."""
        named = {name: unit for name in self.types if (unit := unit_in_name(name))}
        found = self._stored_units() | named | self.metadata.units
        return {name: unit for name, unit in found.items() if name in self.types}

    @property
    def order(self) -> str | None:
        """The column in whose order the rows are, by the description in the file."""
        return self.metadata.order

    def declare(self, field: str, empty: ak.Array) -> None:
        """Add the columns of a field of the file, of which `empty` is an array without events."""
        for column, part in split_records(field, empty).items():
            text = str(simplify(part).type).partition(" * ")[2].replace("bytes", "string")
            if self.has(column):
                self.types.pop(column, None)
                self.unreadable[column] = "several columns of the file have this name"
            elif kind(part) == "other":
                self.unreadable[column] = f"its type is {text}"
            else:
                self.types[column], self._field_of[column] = text, field
                if has_optional_integers(part.layout):
                    self._optional.add(column)

    def has(self, column: str) -> bool:
        """Return whether a column was declared, be it readable or not."""
        return column in self.types or column in self.unreadable

    def declare_like(self, column: str, other: str) -> None:
        """Add the column of a field of its name, of the same type as that of another field."""
        self.types[column], self._field_of[column] = self.types[other], column
        if other in self._optional:
            self._optional.add(column)

    def empty(self, columns: Collection[str]) -> ak.Array:
        """Return records of these columns without an event."""
        self.check(columns)
        return _zip({column: empty_column(self.types[column]) for column in columns}, 0)

    def blocks(
        self, columns: Collection[str], rows: int, start: int = 0, stop: int | None = None
    ) -> Iterator[ak.Array]:
        """Yield events `start` to `stop` as records of these columns in chunks of at most `rows`.

        Raises DataError for a missing column, or if the file is damaged.
        """
        self.check(columns)
        fields = {self._field_of[column]: None for column in columns or [self._smallest_column()]}
        with read_errors(self.path):
            for column in self._optional.intersection(columns):
                self._find_missing(column)
            chunks = self._read(list(fields), rows, start, stop)
            yield from map(partial(self._records, columns=columns), chunks)

    def starts(self, rows: int) -> Sequence[int]:
        """Return the rows, multiples of `rows`, from which on it is read without those before."""
        return range(0, self.entries or 0, rows) if self.seekable else [0]

    def _find_missing(self, column: str) -> None:
        """Make integers float64 if one of them is missing anywhere in the table."""
        if self.sampled:
            return
        self._optional.remove(column)
        if self._has_missing(column):
            self._floats.add(column)
            self.types[column] = re.sub(r"u?int\d+$", "float64", self.types[column])

    def _has_missing(self, column: str) -> bool:
        """Return whether an integer of a column is missing."""
        field = self._field_of[column]
        blocks = self._read([field], _ROWS, 0, None)
        found = (split_records(field, block[field])[column] for block in blocks)
        return any(kind(self._simplified(column, values)) == "float" for values in found)

    @abstractmethod
    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        """Yield the fields of the file in chunks of at most `rows` events."""

    def check(self, columns: Collection[str]) -> None:
        """Raise DataError, naming the nearest, for a missing column."""
        for column in columns:
            if column in self.unreadable:
                raise DataError(
                    f"{self.path}: the column '{column}' of '{self.name}' cannot be read: "
                    f"{self.unreadable[column]}"
                )
            if column not in self.types:
                hint = nearest(column, self.types)
                raise DataError(
                    f"{self.path}: the table '{self.name}' has no column '{column}'{hint}"
                )

    def _smallest_column(self) -> str:
        if not self.types:
            raise DataError(f"{self.path}: the table '{self.name}' has no readable column")
        return min(self.types, key=lambda column: (len(self.types[column]), column))

    def _records(self, fields: Mapping[str, ak.Array], columns: Collection[str]) -> ak.Array:
        found: dict[str, ak.Array] = {}
        for field, values in fields.items():
            found |= split_records(field, values)
        parts = {column: self._simplified(column, found[column]) for column in columns}
        return _zip(parts, len(next(iter(fields.values()))))

    def _simplified(self, column: str, values: ak.Array) -> ak.Array:
        try:
            values = as_text(simplify(values))
            if column in self._floats and kind(values) == "integer":
                values = ak.transform(_as_float64, values)
        except DataError as problem:
            raise DataError(
                f"{self.path}: the column '{column}' of '{self.name}' cannot be read: {problem}"
            ) from None
        return values


def _as_float64(layout: Any, **_: Any) -> Any:
    return layout.copy(data=as_float64(layout.data)) if layout.is_numpy else None


def _zip(columns: Mapping[str, ak.Array], entries: int) -> ak.Array:
    if not columns:
        return ak.Array(ak.contents.RecordArray([], [], length=entries))
    return ak.zip(columns, depth_limit=1)


@contextmanager
def read_errors(path: str) -> Iterator[None]:
    """Turn any exception of a library that cannot read a file into a DataError."""
    try:
        yield
    except (BunchtrainError, MemoryError):
        raise
    except NotImplementedError as problem:
        raise DataError(f"{path} has content that its reader does not support: {problem}") from None
    except Exception as problem:
        lines = str(problem).strip().splitlines()
        reason = f"{type(problem).__name__}: {lines[0][:200] if lines else 'no reason given'}"
        raise DataError(
            f"{path} cannot be read, it may be damaged or truncated ({reason})"
        ) from None
