"""Conditions: small tables that travel with a table, looked up by key as `geometry.x[sensor_id]`.

Geometry, noise, binning or luminosity: of one row for each key, the same for all events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions.conditions import VALUE, condition_column
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.table import Piece, Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.writing import write_parquet

#: Largest number of rows of a table of conditions.
MAX_ROWS = 1_000_000
#: Rows that are read or written at a time.
_ROWS = 100_000
_MAX_KEYS = 3


@dataclass(frozen=True)
class Condition:
    """A small table, of which the columns of the key identify each row.

    name     by which expressions name it.
    table    of the rows.
    key      columns with integers or texts, the same ones in no two rows.
    missing  whether an unknown key raises an error or gives NaN (false, '').
    """

    name: str
    table: Table
    key: Sequence[str]
    missing: Literal["raise", "nan"] = "raise"
    _read: dict[str, ak.Array] = field(default_factory=dict, compare=False)

    def check(self) -> None:
        """Raise StudyError or DataError if the key is not one, or there are too many rows."""
        where, available = f"conditions.{self.name}", self.table.fields()
        if not 1 <= len(self.key) <= _MAX_KEYS:
            raise StudyError(f"{where}.key: give 1 to {_MAX_KEYS} columns; {one_of(available)}")
        if len(set(self.key)) < len(self.key):
            raise StudyError(f"{where}.key: a column is named twice; name it once")
        for name in self.key:
            if name not in available:
                hint = nearest(name, available) or f"; there are {one_of(available)}"
                raise StudyError(f"{where}.key: the file has no column '{name}'{hint}")
            if kind(self.content[name]) not in ("integer", "text", "boolean"):
                text = f"'{name}' must have integers or texts, not {available[name]}"
                raise DataError(f"{where}.key: {text}")
        keys = list(zip(*(self.content[name].tolist() for name in self.key), strict=True))
        if len(set(keys)) < len(keys):
            seen = dict[tuple[object, ...], int]()
            for row, key in enumerate(keys):
                if (first := seen.setdefault(key, row)) != row:
                    named = ", ".join(f"{n} {v}" for n, v in zip(self.key, key, strict=True))
                    raise DataError(f"{where}: rows {first} and {row} have the same {named}")

    @property
    def columns(self) -> list[str]:
        """The columns that are looked up: all but the key."""
        return [name for name in self.table.fields() if name not in (*self.key, "file_number")]

    @property
    def content(self) -> ak.Array:
        """All rows; DataError if they are too many for a small table."""
        if "" not in self._read:
            names, blocks, rows = [*self.key, *self.columns], list[ak.Array](), 0
            for block in self.table.blocks(names, _ROWS):
                blocks.append(block)
                if (rows := rows + len(block)) > MAX_ROWS:
                    raise DataError(f"conditions.{self.name} has more than {MAX_ROWS:,} rows")
            if not rows:
                raise DataError(f"conditions.{self.name} has no rows")
            self._read[""] = ak.concatenate(blocks)
        return self._read[""]

    def column(self, name: str, first: int, rows: int) -> ak.Array:
        """Return a column for the events from the entry `first` on, (rows,)."""
        if name not in self._read:
            parts = {key: self.content[key] for key in self.key} | {VALUE: self.content[name]}
            self._read[name] = ak.zip(parts, depth_limit=1)
        return condition_column(self._read[name], self.name, self.missing, first, rows)


class WithConditions(Transform):
    """A table with conditions, whose columns are `<condition>.<column>`, each to be looked up.

    source      of the events.
    conditions  that expressions may look up.

    Raises StudyError if a condition has the name of a column or a wrong key, DataError if a key is
    in two rows.
    """

    def __init__(self, source: Table, conditions: Sequence[Condition]) -> None:
        super().__init__(source)
        self.of_name = {one.name: one for one in conditions}
        self.row = source.row
        for one in conditions:
            one.check()
        for name in source.fields():
            if name in self.looked_up:
                raise StudyError(f"conditions: the events have a column '{name}', too; rename it")

    @cached_property
    def looked_up(self) -> dict[str, tuple[Condition, str]]:
        """`geometry.x` → the condition and its column."""
        return {
            f"{one.name}.{column}": (one, column)
            for one in self.of_name.values()
            for column in one.columns
        }

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The small tables, by name."""
        return {name: one.table for name, one in self.of_name.items()}

    @property
    def order(self) -> str | None:
        """The column in whose order the rows are."""
        return self.source.order

    @property
    def entries(self) -> int | None:
        """The number of rows."""
        return self.source.entries

    @property
    def why_empty(self) -> str:
        """The reason for a table without rows, in messages."""
        return self.source.why_empty

    def place(self, entry: int) -> str:
        """Return where the row of this index is."""
        return self.source.place(entry)

    def first_row(self, column: str) -> str | None:
        """Return the column of the first row of several that a row was made of."""
        return self.source.first_row(column)

    def describe(self) -> str:
        """Return the conditions with their content as text."""
        found = [
            f"{one.name} by {list(one.key)}, {one.missing}, of {one.table.fingerprint()}"
            for one in self.of_name.values()
        ]
        return f"conditions {'; '.join(found)}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        made = {n: str(one.column(c, 0, 0).type.content) for n, (one, c) in self.looked_up.items()}
        return {**self.source.fields(), **made}

    def units(self) -> dict[str, str]:
        """Return column → unit, also of the values of conditions."""
        found = dict(self.source.units())
        for name, (one, column) in self.looked_up.items():
            if (unit := one.table.units().get(column)) is not None:
                found[name] = unit
        return found

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows in order, as records of these columns."""
        yield from self._add(self.source.blocks(self._of_source(columns), rows), columns)

    def pieces(self, rows: int) -> list[Piece]:
        """Return ranges of the source."""
        return self.source.pieces(rows)

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of a piece."""
        blocks = self.source.blocks_of(piece, self._of_source(columns), rows)
        yield from self._add(blocks, columns, piece.first)

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the rows of at most `events` rows before the transform, and their number."""
        names, counts = self._of_source(columns), list[NDArray[np.int64]]()

        def blocks() -> Iterator[ak.Array]:
            if isinstance(self.source, Transform):
                for block, count in self.source.blocks_of_events(names, events):
                    counts.append(count)
                    yield block
            else:
                for block in self.source.blocks(names, events):
                    counts.append(np.ones(len(block), np.int64))
                    yield block

        for block in self._add(blocks(), columns):
            yield block, counts.pop()

    def by_event(self, columns: Mapping[str, Any], counts: NDArray[np.int64]) -> dict[str, Any]:
        """Return columns of rows as columns of the rows before the transform."""
        if isinstance(self.source, Transform):
            return self.source.by_event(columns, counts)
        return dict(columns)

    def sample(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield about `rows` rows of all parts of the source."""
        yield from self._add(self.source.sample(self._of_source(columns), rows), columns)

    def _of_source(self, columns: Collection[str]) -> list[str]:
        found = [name for name in columns if name not in self.looked_up]
        return found or list(self.source.fields())[:1]

    def _add(
        self, blocks: Iterator[ak.Array], columns: Collection[str], first: int = 0
    ) -> Iterator[ak.Array]:
        for block in blocks:
            made = {}
            for name in columns:
                if (found := self.looked_up.get(name)) is not None:
                    made[name] = found[0].column(found[1], first, len(block))
                else:
                    made[name] = block[name]
            first += len(block)
            yield ak.zip(made, depth_limit=1)


def write_conditions(path: Path, conditions: Collection[Condition]) -> dict[str, str]:
    """Write conditions beside a file; return name → name of its file.

    That of `geometry` beside `scores.root` is `scores.geometry.parquet`.
    """
    found = {}
    for one in conditions:
        found[one.name] = f"{path.name.partition('.')[0]}.{one.name}.parquet"
        about = TableMetadata("row", units=one.table.units(), key=list(one.key))
        names = [*one.key, *one.columns]
        blocks = (
            one.content[names][start : start + _ROWS] for start in range(0, len(one.content), _ROWS)
        )
        write_parquet(path.with_name(found[one.name]), blocks, about.as_mapping())
    return found
