"""One table of events in one file of any format: columns by name, in chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import awkward as ak

from bunchtrain.errors import BunchtrainError, DataError, nearest
from bunchtrain.tables.column_types import kind, simplify, split_records


class Table(ABC):
    """A table of events.

    `fields` maps column → type, `unreadable` content that cannot be a column → the reason.
    """

    seekable = True

    def __init__(self, path: str, name: str, entries: int | None) -> None:
        self.path, self.name, self.entries = path, name, entries
        self.fields: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self._field_of: dict[str, str] = {}

    def declare(self, field: str, empty: ak.Array) -> None:
        """Add the columns of a field of the file, of which `empty` is an array without events."""
        for column, part in split_records(field, empty).items():
            text = str(simplify(part).type).partition(" * ")[2]
            if kind(part) == "other":
                self.unreadable[column] = f"its type is {text}"
            else:
                self.fields[column], self._field_of[column] = text, field

    def chunks(
        self, columns: Collection[str], rows: int, start: int = 0, stop: int | None = None
    ) -> Iterator[ak.Array]:
        """Yield events `start` to `stop` as records of these columns in chunks of at most `rows`.

        Raises DataError for a missing column, or if the file is damaged.
        """
        self.check(columns)
        fields = {self._field_of[column]: None for column in columns or [self._smallest_column()]}
        with read_errors(self.path):
            for chunk in self._read(list(fields), rows, start, stop):
                yield _records(chunk, columns)

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
            if column not in self.fields:
                hint = nearest(column, self.fields)
                raise DataError(
                    f"{self.path}: the table '{self.name}' has no column '{column}'{hint}"
                )

    def _smallest_column(self) -> str:
        if not self.fields:
            raise DataError(f"{self.path}: the table '{self.name}' has no readable column")
        return min(self.fields, key=lambda column: (len(self.fields[column]), column))


def _records(fields: Mapping[str, ak.Array], columns: Collection[str]) -> ak.Array:
    if not columns:
        entries = len(next(iter(fields.values())))
        return ak.Array(ak.contents.RecordArray([], [], length=entries))
    found: dict[str, ak.Array] = {}
    for field, values in fields.items():
        found |= split_records(field, values)
    return ak.zip({column: simplify(found[column]) for column in columns}, depth_limit=1)


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
