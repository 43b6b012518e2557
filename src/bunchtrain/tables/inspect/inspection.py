"""What is in a file: trees, columns, types, lengths of lists, ranges, NaN and infinity counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import BunchtrainError, DataError
from bunchtrain.tables.inspect.display import html, rich_tables
from bunchtrain.tables.reading import find_format, open_table, table_names
from bunchtrain.tables.reading.paths import is_remote, split_tree
from bunchtrain.tables.reading.table import Table
from bunchtrain.tables.reading.tidy import kind

_TOGETHER, _SLABS, _FEW = 64, 5, 12


@dataclass(frozen=True)
class ColumnSummary:
    """One column, over the rows that were read."""

    name: str
    type: str
    #: Shortest, mean and longest list of an event, if it holds lists.
    lengths: tuple[int, float, int] | None = None
    #: Smallest and largest finite number.
    range: tuple[float, float] | None = None
    nans: int = 0
    infinities: int = 0
    #: All values, if they are few, of whole numbers, conditions and texts.
    values: tuple[Any, ...] = ()
    #: How many different values were seen, one value an event.
    distinct: int = 0
    #: Whether all numbers are whole.
    whole: bool = False


@dataclass(frozen=True)
class TableSummary:
    """One tree or table; `entries` is None where only reading all of it would tell."""

    name: str
    entries: int | None
    sampled: int
    columns: list[ColumnSummary]
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every row was read."""
        return self.entries is not None and self.sampled >= self.entries

    @property
    def rows(self) -> str:
        """The number of rows, and of how many of them the figures are."""
        if not self.columns:
            return f"{self.entries or 0:,} rows, no readable column"
        if self.complete:
            return f"{self.entries:,} rows"
        if self.entries is None:
            return f"figures of the first {self.sampled:,} rows"
        return f"{self.entries:,} rows, figures of a sample of {self.sampled:,}"


@dataclass(frozen=True)
class Inspection:
    """What is in a file."""

    path: str
    format: str
    size: int | None
    tables: list[TableSummary]
    #: Name of a table that cannot be opened → why.
    unreadable: dict[str, str] = field(default_factory=dict)

    def __rich__(self) -> Any:
        return rich_tables(self)

    def _repr_html_(self) -> str:
        return html(self)


def inspect(path: str, rows: int = 10_000, *, tree: str | None = None) -> Inspection:
    """Return what is in a ROOT, HDF5, Parquet, CSV or NPZ file.

    Of a longer table, `rows` rows are read, from five places of it (the first ones of CSV), so
    that memory and time do not grow with the file. Raises DataError if the file is not there or
    cannot be read at all; a tree or column that cannot be read is reported.
    """
    path, named = split_tree(path)
    tree = tree or named
    tables, unreadable = [], {}
    for name in [tree] if tree else table_names(path):
        try:
            tables.append(_summarise(open_table(path, name, sampled=True), rows))
        except DataError as problem:
            if tree:
                raise
            unreadable[name] = str(problem).removeprefix(f"{path} ")
    size = None if is_remote(path) else os.path.getsize(path)
    return Inspection(path, find_format(path), size, tables, unreadable)


def _summarise(table: Table, rows: int) -> TableSummary:
    unreadable, columns, sampled = dict(table.unreadable), [], 0
    names = list(table.fields)
    for low in range(0, len(names), _TOGETHER):
        for name, values in _read(table, names[low : low + _TOGETHER], rows, unreadable):
            sampled = max(sampled, len(values))
            columns.append(_column(name, table.fields[name], values))
    entries = table.entries
    if entries is None and sampled < rows:
        entries = sampled
    return TableSummary(table.name, entries, sampled, columns, unreadable)


def _read(
    table: Table, names: list[str], rows: int, unreadable: dict[str, str]
) -> Iterator[tuple[str, ak.Array]]:
    """Yield the sampled values of columns; where one cannot be read, of the others one by one."""
    try:
        events = _sample(table, names, rows)
    except BunchtrainError as problem:
        if len(names) == 1:
            unreadable[names[0]] = str(problem).removeprefix(f"{table.path} ")
            return
        for name in names:
            yield from _read(table, [name], rows, unreadable)
        return
    for name in names:
        yield name, events[name]


def _sample(table: Table, names: list[str], rows: int) -> ak.Array:
    blocks = [
        block
        for start, stop in _slabs(table, rows)
        for block in table.chunks(names, rows, start, stop)
    ]
    if not blocks:
        empty = {name: ak.Array(np.empty(0)) for name in names}
        return ak.zip(empty, depth_limit=1)
    return ak.concatenate(blocks)


def _slabs(table: Table, rows: int) -> list[tuple[int, int]]:
    """Return the ranges of rows that are read."""
    if table.entries is None or table.entries <= rows or not table.seekable:
        return [(0, rows if table.entries is None else min(rows, table.entries))]
    size = max(1, rows // _SLABS)
    starts = np.linspace(0, table.entries - size, min(_SLABS, rows)).astype(int)
    return [(int(start), int(start) + size) for start in starts]


def _column(name: str, type: str, values: ak.Array) -> ColumnSummary:
    lengths = _lengths(values) if values.ndim > 1 else None
    content = kind(values)
    flat = ak.flatten(values, axis=None) if values.ndim > 1 else values
    if content in ("text", "record", "other"):
        return ColumnSummary(name, type, lengths, **_distinct(flat, content, lengths is None))
    numbers = np.asarray(ak.to_numpy(flat))
    finite = numbers[np.isfinite(numbers)]
    return ColumnSummary(
        name,
        type,
        lengths,
        range=(float(finite.min()), float(finite.max())) if finite.size else None,
        nans=int(np.isnan(numbers).sum()),
        infinities=int(np.isinf(numbers).sum()),
        whole=bool(np.all(finite == np.floor(finite))) if content == "float" else True,
        **_distinct(finite, content, lengths is None),
    )


def _lengths(values: ak.Array) -> tuple[int, float, int]:
    counts = ak.to_numpy(ak.num(values, axis=1))
    if not counts.size:
        return 0, 0.0, 0
    return int(counts.min()), float(counts.mean()), int(counts.max())


def _distinct(values: Any, content: str, flat: bool) -> dict[str, Any]:
    """Return how many different values there are, and which if they are few and not fractions."""
    if content not in ("text", "integer", "boolean", "float") or not flat:
        return {}
    seen = sorted(set(values.tolist())) if content == "text" else np.unique(values).tolist()
    few = len(seen) <= _FEW and (content != "float" or all(v == int(v) for v in seen))
    return {"distinct": len(seen), "values": tuple(seen) if few else ()}
