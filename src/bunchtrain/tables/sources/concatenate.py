"""Rows of several sources, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest, one_of, shorten
from bunchtrain.tables.table import Table

#: Column that is added: the index of the source.
ORIGIN = "origin"


class Concatenate(Table):
    """Rows of several sources in order, with a column `origin`, the index of the source from 0.

    The columns are those that all sources have.

    tables  the sources, each by its name with its options.
    """

    def __init__(self, *, tables: list[dict[str, Any] | str]) -> None:
        if len(tables) < 2:
            raise StudyError("source 'concatenate' needs two or more tables")
        self.tables: list[Table] = []
        for index, given in enumerate(tables):
            where, options = f"source.tables.{index}", given
            if isinstance(options, str):
                options = {"name": options}
            if not isinstance(options.get("name"), str):
                raise StudyError(f"{where}: give a source by its 'name', got {shorten(given)}")
            own = {key: value for key, value in options.items() if key != "name"}
            self.tables.append(parts.build("source", options["name"], own, where=where))

    @property
    def is_prepared(self) -> bool:
        """Whether the rows of all sources can be read at once."""
        return all(table.is_prepared for table in self.tables)

    def prepare(self) -> None:
        """Create missing files of the sources."""
        for table in self.tables:
            table.prepare()

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """The small tables that belong to all sources; DataError if one differs between them."""
        first, *others = self.tables
        found = {
            n: one for n, one in first.conditions.items() if all(n in o.conditions for o in others)
        }
        for name, one in found.items():
            if any(o.conditions[name].fingerprint() != one.fingerprint() for o in others):
                raise DataError(
                    f"source 'concatenate': the tables have different conditions '{name}'; "
                    "concatenate tables of one detector"
                )
        return found

    def fingerprint(self) -> str:
        """Return a text that changes with the content of any source."""
        return f"concatenate {[table.fingerprint() for table in self.tables]}"

    @cached_property
    def _types(self) -> dict[str, str]:
        each = [table.fields() for table in self.tables]
        common = {name: type for name, type in each[0].items() if all(name in o for o in each)}
        if ORIGIN in common:
            raise DataError(f"source 'concatenate': the column name '{ORIGIN}' is reserved")
        if not common:
            raise DataError("source 'concatenate': the tables have no column in common")
        return common

    def fields(self) -> dict[str, str]:
        """Return column → type in the first source, of the columns in common."""
        return {**self._types, ORIGIN: "int64"}

    def units(self) -> dict[str, str]:
        """Return column → unit, where it is known; DataError if the units of tables differ."""
        found: dict[str, str] = {}
        for number, table in enumerate(self.tables):
            for name, unit in table.units().items():
                if name in self._types and found.setdefault(name, unit) != unit:
                    raise DataError(
                        f"source 'concatenate': '{name}' is in {found[name]} in one table and in "
                        f"{unit} in table {number}; declare the same 'units'"
                    )
        return found

    @property
    def entries(self) -> int | None:
        """The number of rows, None if that of a source is unknown."""
        found = [table.entries for table in self.tables]
        return None if None in found else sum(one or 0 for one in found)

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all rows in order, as records of these columns, in blocks of at most `rows`."""
        needed = self._needed(columns)
        for number, table in enumerate(self.tables):
            yield from _with_origin(table.blocks(needed, rows), columns, number)

    def sample(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield about `rows` rows, the same number of each source."""
        needed, share = self._needed(columns), max(1, rows // len(self.tables))
        for number, table in enumerate(self.tables):
            yield from _with_origin(table.sample(needed, share), columns, number)

    def _needed(self, columns: Collection[str]) -> list[str]:
        for name in columns:
            if name not in self.fields():
                hint = nearest(name, self.fields()) or f"; they are {one_of(self.fields())}"
                raise DataError(f"the tables have no column '{name}' in common{hint}")
        return [name for name in columns if name != ORIGIN] or list(self._types)[:1]


def _with_origin(
    blocks: Iterator[ak.Array], columns: Collection[str], number: int
) -> Iterator[ak.Array]:
    for block in blocks:
        made = {n: block[n] for n in block.fields} | {ORIGIN: np.full(len(block), number, np.int64)}
        yield ak.zip(made, depth_limit=1)[list(columns) or [ORIGIN]]
