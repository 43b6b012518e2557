"""One table of events in one file, whatever its format: columns by name, in chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import awkward as ak

from bunchtrain.errors import BunchtrainError, DataError, nearest
from bunchtrain.tables.reading.tidy import expand, kind, tidy


class Table(ABC):
    """A table of events.

    `fields` holds column → type, `unreadable` what is in the file and cannot be a column → why.
    """

    seekable = True

    def __init__(self, path: str, name: str, entries: int | None) -> None:
        self.path, self.name, self.entries = path, name, entries
        self.fields: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self._origin: dict[str, str] = {}

    def declare(self, field: str, empty: ak.Array) -> None:
        """Add the columns of a field of the file, of which `empty` is an array without events."""
        for column, part in expand(field, empty).items():
            text = str(tidy(part).type).partition(" * ")[2]
            if kind(part) == "other":
                self.unreadable[column] = f"it is of the type {text}"
            else:
                self.fields[column], self._origin[column] = text, field

    def chunks(
        self, columns: Collection[str], rows: int, start: int = 0, stop: int | None = None
    ) -> Iterator[ak.Array]:
        """Yield the events from `start` to `stop` as records of these columns, `rows` at most.

        Raises DataError for a column that is not there, or if the file is damaged.
        """
        self.check(columns)
        wanted = {self._origin[column]: None for column in columns or [self._cheapest()]}
        with reading(self.path):
            for fields in self._read(list(wanted), rows, start, stop):
                yield self._records(fields, columns)

    @abstractmethod
    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        """Yield the fields of the file in chunks of at most `rows` events."""

    def check(self, columns: Collection[str]) -> None:
        """Raise DataError, naming the nearest, for a column that is not there."""
        for column in columns:
            if column in self.unreadable:
                raise DataError(
                    f"{self.path}: the column '{column}' of '{self.name}' cannot be read: "
                    f"{self.unreadable[column]}"
                )
            if column not in self.fields:
                hint = nearest(column, self.fields)
                raise DataError(
                    f"{self.path}: the table '{self.name}' has no column '{column}'{hint}"
                )

    def _cheapest(self) -> str:
        if not self.fields:
            raise DataError(f"{self.path}: the table '{self.name}' has no readable column")
        return min(self.fields, key=lambda column: (len(self.fields[column]), column))

    def _records(self, fields: Mapping[str, ak.Array], columns: Collection[str]) -> ak.Array:
        found: dict[str, ak.Array] = {}
        for field, column in fields.items():
            found |= expand(field, column)
        if not columns:
            entries = len(next(iter(fields.values())))
            return ak.Array(ak.contents.RecordArray([], [], length=entries))
        return ak.zip({column: tidy(found[column]) for column in columns}, depth_limit=1)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn whatever a library says about a file that it cannot read into one DataError."""
    try:
        yield
    except (BunchtrainError, MemoryError):
        raise
    except NotImplementedError as problem:
        raise DataError(f"{path} holds what its reader does not support: {problem}") from None
    except Exception as problem:
        lines = str(problem).strip().splitlines()
        reason = f"{type(problem).__name__}: {lines[0][:200] if lines else 'no reason given'}"
        raise DataError(
            f"{path} cannot be read, it may be damaged or cut short ({reason})"
        ) from None
