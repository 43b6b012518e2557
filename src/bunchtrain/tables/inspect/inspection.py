"""Contents of a file: trees, columns, types, lengths of lists, ranges, NaN and infinity counts.

Shown as tables in a terminal with rich, and as HTML in a notebook.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import awkward as ak
import numpy as np
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from bunchtrain.errors import BunchtrainError, DataError
from bunchtrain.files import as_path
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions.times import as_seconds
from bunchtrain.tables.reading import find_format, open_table, table_names
from bunchtrain.tables.reading.file_table import FileTable
from bunchtrain.tables.reading.paths import is_remote, split_tree
from bunchtrain.tables.sources.files import ranges
from bunchtrain.tables.table import Table

#: Columns read together, ranges of rows of a sample, and the maximum number of values listed.
_COLUMNS, _MAX_VALUES, _MAX_TEXTS = 64, 12, 50
#: Rows of a text file that are read for a sample, about 1 GB of it.
_MAX_STREAMED, _BLOCK = 5_000_000, 100_000
#: Maximum number of reasons listed for unreadable columns.
_MAX_REASONS = 10
#: Headings of the cells of a column.
HEADER = ("column", "type", "items per event", "minimum", "maximum", "NaN", "infinite", "values")
#: Heading of the units, which are shown if one is known.
UNIT = "unit"


@dataclass(frozen=True)
class ColumnSummary:
    """Summary of one column over the rows that were read."""

    name: str
    type: str
    #: Minimum, mean and maximum length of the list of an event, for a column of lists.
    lengths: tuple[int, float, int] | None = None
    #: Minimum and maximum of the finite numbers.
    range: tuple[float, float] | None = None
    nans: int = 0
    infinities: int = 0
    #: The distinct values of integers, booleans and strings, if they are few.
    values: tuple[Any, ...] = ()
    #: Number of distinct values, for a column with one value per event.
    distinct: int = 0
    #: Unit of the values, stated in the file or at the end of the name; '' if it is not known.
    unit: str = ""
    #: Whether all numbers are integers.
    is_integer: bool = False

    @property
    def is_list(self) -> bool:
        """Whether a row has a list or an array of values."""
        return " * " in self.type


@dataclass(frozen=True)
class TableSummary:
    """Summary of one tree or table; `entries` is None if counting needs to read all rows."""

    name: str
    entries: int | None
    sampled: int
    columns: list[ColumnSummary]
    unreadable: dict[str, str] = field(default_factory=dict)
    #: What was decided in opening the file.
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether every row was read."""
        return self.entries is not None and self.sampled >= self.entries

    @property
    def rows(self) -> str:
        """The number of rows in total and in the sample."""
        if not self.columns:
            return f"{self.entries or 0:,} rows, no readable column"
        if self.complete:
            return f"{self.entries:,} rows"
        if self.entries is None:
            return f"a long text file, statistics from a sample of {self.sampled:,} rows"
        return f"{self.entries:,} rows, statistics from a sample of {self.sampled:,}"

    @property
    def header(self) -> list[str]:
        """The headings of the cells, with one of units if one is known."""
        names = list(HEADER)
        return [*names[:2], UNIT, *names[2:]] if self._has_units else names

    @property
    def _has_units(self) -> bool:
        return any(column.unit for column in self.columns)

    def cells(self) -> list[list[str]]:
        """Return the cells of each column, with the headings `header`."""
        found = [_cells(column) for column in self.columns]
        if not self._has_units:
            return found
        pairs = zip(found, self.columns, strict=True)
        return [[*cells[:2], column.unit, *cells[2:]] for cells, column in pairs]

    def notes(self) -> list[str]:
        """Return lines about what was decided, and about columns that cannot be read."""
        return [*([self.note] if self.note else []), *_unreadable_lines(self.unreadable)]


@dataclass(frozen=True)
class Inspection:
    """Contents of a file."""

    path: str
    format: str
    size: int | None
    tables: list[TableSummary]
    #: Name of a table that cannot be opened → the reason.
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Path, format and size of the file."""
        size = "" if self.size is None else f", {self.size / 1e6:.3g} MB"
        return f"{self.path} ({self.format}{size})"

    def notes(self) -> list[str]:
        """Return lines about tables that cannot be read."""
        return _unreadable_lines(self.unreadable)

    def as_dict(self) -> dict[str, Any]:
        """Return the contents for JSON."""
        return asdict(self)

    def __rich__(self) -> Any:
        shown: list[Any] = [Text(self.title, style="bold")]
        for table in self.tables:
            grid = RichTable(title=f"{table.name}: {table.rows}", title_justify="left")
            for head in table.header:
                justify: Any = "right" if head in HEADER[2:7] else "left"
                grid.add_column(head, justify=justify, overflow="fold")
            for row in table.cells():
                grid.add_row(*map(Text, row))
            shown += [grid, *map(Text, table.notes())]
        return Group(*shown, *map(Text, self.notes()))

    def _repr_html_(self) -> str:
        blocks = [f"<p><b>{escape(self.title)}</b></p>"]
        for table in self.tables:
            rows = [_html_row(table.header, "th"), *(_html_row(row, "td") for row in table.cells())]
            blocks.append(f"<p>{escape(table.name)}: {escape(table.rows)}</p>")
            blocks.append(f"<table>{''.join(rows)}</table>")
            blocks += [f"<p>{escape(line)}</p>" for line in table.notes()]
        blocks += [f"<p>{escape(line)}</p>" for line in self.notes()]
        return "\n".join(blocks)


def inspect(
    path: str | os.PathLike[str], rows: int = 10_000, *, tree: str | None = None
) -> Inspection:
    """Return the contents of a ROOT, HDF5, Parquet, CSV, NPZ or ARFF file.

    The statistics are those of at most `rows` rows: ten ranges over the table, or, in text files,
    every n-th row of the first 5 million, so that memory does not grow with the file. Raises
    DataError if the file is missing, damaged, ragged or without a table; of several trees or
    columns those that cannot be read are reported.
    """
    path, named = split_tree(str(as_path(path, "a file")))
    tree = tree or named
    names = [tree] if tree else table_names(path)
    if not names:
        raise DataError(f"{path} contains no table of events")
    tables, unreadable = [], {}
    for name in names:
        try:
            tables.append(summarise(open_table(path, name, sampled=True), path, rows))
        except DataError as problem:
            if len(names) == 1:
                raise
            unreadable[name] = str(problem).removeprefix(f"{path} ")
    if not tables:
        name, reason = next(iter(unreadable.items()))
        raise DataError(f"{path} has no readable table; {name}: {reason}")
    size = None if is_remote(path) else os.path.getsize(path)
    return Inspection(path, find_format(path), size, tables, unreadable)


def summarise(
    table: Table, path: str, rows: int, columns: Collection[str] | None = None
) -> TableSummary:
    """Return the summary of a table from a sample of its rows.

    Args:
        table: to be described.
        path: its file, for messages.
        rows: maximum number of rows that are read.
        columns: whose values are read, all if None; others have a name and a type only.
    """
    if not isinstance(table, FileTable):
        return _summarise_rows(table, rows, columns)
    if not table.seekable:
        return _summarise_text(table, rows)
    unreadable, found, sampled = dict(table.unreadable), dict[str, ColumnSummary](), 0
    fields, units = table.fields(), table.units()
    names = [name for name in fields if columns is None or name in columns]
    for low in range(0, len(names), _COLUMNS):
        for name, values in _read(table, names[low : low + _COLUMNS], rows, unreadable):
            sampled = max(sampled, len(values))
            found[name] = _column(name, fields[name], values, units)
    if names and not found:
        raise DataError(f"{path}: no column can be read; {unreadable[names[0]]}")
    every = _in_order(fields, {n: c for n, c in found.items() if n not in unreadable})
    kept = [column for column in every if column.name not in unreadable]
    return TableSummary(table.name, table.entries, sampled, kept, unreadable, _note(table))


def _in_order(fields: Mapping[str, str], found: Mapping[str, ColumnSummary]) -> list[ColumnSummary]:
    return [found.get(name) or ColumnSummary(name, type) for name, type in fields.items()]


def _summarise_rows(
    table: Table, rows: int, columns: Collection[str] | None = None
) -> TableSummary:
    """Return the summary of the first rows of a table that is no file."""
    fields, units = table.fields(), table.units()
    names = [name for name in fields if columns is None or name in columns]
    events = ak.concatenate(list(table.sample(names, rows)))
    found = {name: _column(name, fields[name], events[name], units) for name in names}
    listed = _in_order(fields, found)
    return TableSummary(table.row, None, len(events), listed, {}, table.note)


def _summarise_text(table: FileTable, rows: int) -> TableSummary:
    """Return the summary of every n-th row of a table that can only be read from its beginning."""
    names, blocks, read, step = list(table.fields()), list[ak.Array](), 0, 1
    complete = True
    try:
        for chunk in table.blocks(names, _BLOCK):
            blocks.append(chunk[-read % step :: step])
            read += len(chunk)
            while sum(map(len, blocks)) > rows:
                blocks, step = [ak.concatenate(blocks)[::2]], 2 * step
            complete = read < _MAX_STREAMED
            if not complete:
                break
    except BunchtrainError:  # a type of the first rows, which a long file may change
        if not blocks:
            raise
        complete = False
    events = ak.concatenate(blocks) if blocks else table.empty(names)
    fields, units = table.fields(), table.units()
    columns = [_column(name, fields[name], events[name], units) for name in names]
    entries = read if complete else None
    unreadable = dict(table.unreadable)
    return TableSummary(table.name, entries, len(events), columns, unreadable, _note(table))


def _note(table: FileTable) -> str:
    """Return what was decided in opening the table, and what the file states about it."""
    return "; ".join(filter(None, (table.note, table.metadata.describe())))


def _read(
    table: FileTable, names: list[str], rows: int, unreadable: dict[str, str]
) -> Iterator[tuple[str, ak.Array]]:
    """Yield the sampled values of columns; if one cannot be read, the others one by one."""
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


def _sample(table: FileTable, names: list[str], rows: int) -> ak.Array:
    blocks = [
        block
        for start, stop in ranges(rows if table.entries is None else table.entries, rows)
        for block in table.blocks(names, rows, start, stop)
    ]
    return ak.concatenate(blocks) if blocks else table.empty(names)


def _column(name: str, type: str, values: ak.Array, units: Mapping[str, str]) -> ColumnSummary:
    unit = units.get(name, "")
    lengths = _lengths(values) if values.ndim > 1 else None
    content = kind(values)
    flat = ak.flatten(values, axis=None) if values.ndim > 1 else values
    if content in ("text", "record", "other"):
        few = _distinct(flat, content, lengths is None)
        return ColumnSummary(name, type, lengths, **few, unit=unit)
    numbers = np.asarray(ak.to_numpy(as_seconds(flat)))
    finite = numbers[np.isfinite(numbers)]
    return ColumnSummary(
        name,
        type,
        lengths,
        range=(float(finite.min()), float(finite.max())) if finite.size else None,
        nans=int(np.isnan(numbers).sum()),
        infinities=int(np.isinf(numbers).sum()),
        is_integer=bool(np.all(finite == np.floor(finite))) if content == "float" else True,
        **_distinct(finite, content, lengths is None),
        unit=unit,
    )


def _lengths(values: ak.Array) -> tuple[int, float, int]:
    counts = ak.to_numpy(ak.num(values, axis=1))
    if not counts.size:
        return 0, 0.0, 0
    return int(counts.min()), float(counts.mean()), int(counts.max())


def _distinct(values: Any, content: str, flat: bool) -> dict[str, Any]:
    """Return the number of distinct values, and the values if they are few integers or strings."""
    if content not in ("text", "integer", "boolean", "float") or not flat:
        return {}
    distinct = sorted(set(values.tolist())) if content == "text" else np.unique(values).tolist()
    few = len(distinct) <= (_MAX_TEXTS if content == "text" else _MAX_VALUES) and (
        content != "float" or all(v == int(v) for v in distinct)
    )
    return {"distinct": len(distinct), "values": tuple(distinct) if few else ()}


def _html_row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _cells(column: ColumnSummary) -> list[str]:
    low, mean, high = column.lengths or (0, 0.0, 0)
    lengths = f"{low} – {mean:.1f} – {high}" if column.lengths else ""
    minimum, maximum = (f"{edge:.6g}" for edge in column.range) if column.range else ("", "")
    values = ", ".join(map(str, column.values)) if column.values else ""
    if column.distinct and not values:
        values = f"{column.distinct:,} distinct"
    bad = [str(count) if count else "" for count in (column.nans, column.infinities)]
    return [column.name, column.type, lengths, minimum, maximum, *bad, values[:60]]


def _unreadable_lines(unreadable: dict[str, str]) -> list[str]:
    """Return the lines that list unreadable columns, grouped by reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in unreadable.items():
        reasons.setdefault(reason, []).append(name)
    lines = []
    for reason, names in list(reasons.items())[:_MAX_REASONS]:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"not readable: {', '.join(names[:3])}{more}: {reason}")
    if len(reasons) > _MAX_REASONS:
        lines.append(f"not readable: {len(reasons) - _MAX_REASONS} more reasons")
    return lines
