"""The table of a first study: the largest of the files, opened once and described by a sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bunchtrain.errors import DataError
from bunchtrain.tables.inspect.column_roles import has_label_name, is_trigger, is_true, object_of
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary, summarise
from bunchtrain.tables.reading import open_table, table_names
from bunchtrain.tables.reading.file_table import FileTable
from bunchtrain.tables.reading.paths import resolve
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms.object_rows import ObjectRows

#: Columns up to which all are read; of more, these lists of these groups, and rows of them.
_FEW_COLUMNS, _LISTS, _GROUPS, _FEW_ROWS = 200, 20, 8, 2_000


@dataclass(frozen=True)
class OpenedFiles:
    """The same table of several files.

    paths   of the files.
    tables  of each file, opened once; of text the types may be those of the first rows.
    name    of the table.
    others  names of the other tables with columns.
    tree    the name where the study must give it, else None.
    """

    paths: list[str]
    tables: list[Table]
    name: str
    others: list[str]
    tree: str | None

    def rows_of(self, objects: str | Sequence[str]) -> OpenedFiles:
        """Return the rows of an object of these tables."""
        return replace(self, tables=[ObjectRows(one, objects) for one in self.whole_tables()])

    def whole_tables(self) -> list[Table]:
        """Return the tables with the types of all rows, for reading all of them."""
        pairs = zip(self.paths, self.tables, strict=True)
        is_text = [isinstance(t, FileTable) and not t.seekable for t in self.tables]
        return [
            open_table(path, self.name) if text else table
            for (path, table), text in zip(pairs, is_text, strict=True)
        ]

    def describe(self, rows: int, columns: Sequence[str] | None = None) -> TableSummary:
        """Return the columns of the tables; of wide ones only those that a study may use are read.

        rows     of the sample of each file.
        columns  whose values are read; recognised by their names if None.
        """
        found = []
        for path, table in zip(self.paths, self.tables, strict=True):
            fields = table.fields()
            few = len(fields) <= _FEW_COLUMNS
            read = columns or (None if few else _worth_reading(fields))
            sample = rows if few else min(rows, _FEW_ROWS)
            found.append(summarise(table, path, sample, read))
        return _merge(found)


def open_files(files: Sequence[str], tree: str | None = None) -> OpenedFiles:
    """Return the table with the most columns of the files, of those with ten rows if there are any.

    Args:
        files: paths and globs of files with the same columns; `file.root:tree` selects a tree.
        tree: of files with several trees.

    Raises DataError if there is none.
    """
    paths = resolve(list(files))
    path, named = paths[0]
    chosen = named or tree
    names = [chosen] if chosen else table_names(path)
    opened, reason = dict[str, FileTable](), ""
    for name in names:
        try:
            opened[name] = open_table(path, name, sampled=True)
        except DataError as problem:
            if len(names) == 1:
                raise
            reason = reason or str(problem).removeprefix(f"{path} ")
    filled = {name: table for name, table in opened.items() if table.fields()}
    if not filled:
        reasons = [*([reason] if reason else [])]
        reasons += [text for table in opened.values() for text in table.unreadable.values()]
        because = f" ({reasons[0]})" if reasons else ""
        raise DataError(f"{path} has no table of events{because}; give a file of one row per event")
    best = max(filled, key=lambda name: _size(filled[name]))
    others = [name for name in filled if name != best]
    several = len(names) > 1 or tree is not None
    rest = [open_table(p, one or best, sampled=True) for p, one in paths[1:]]
    return OpenedFiles(
        [p for p, _ in paths], [filled[best], *rest], best, others, best if several else None
    )


def _size(table: FileTable) -> tuple[bool, bool, int]:
    rows = table.entries
    return rows is None or rows >= 10, rows is None or rows > 0, len(table.fields())


def _worth_reading(fields: dict[str, str]) -> list[str]:
    """Return the columns of a wide table that may be targets or inputs, from their names."""
    kept = [name for name, type in fields.items() if " * " not in type and not is_trigger(name)]
    groups = defaultdict[str, list[str]](list)
    for name, type in fields.items():
        if type.count(" * ") == 1 and "string" not in type and not is_trigger(name):
            groups[object_of(name)].append(name)
    measured = {prefix: names for prefix, names in groups.items() if not is_true(prefix)}
    for prefix in sorted(measured, key=lambda prefix: -len(measured[prefix]))[:_GROUPS]:
        names = measured[prefix]
        labels = [name for name in names[_LISTS:] if has_label_name(name)]
        kept += [*names[:_LISTS], *labels]
    return kept


def _merge(tables: Sequence[TableSummary]) -> TableSummary:
    """Return the summary of files with the same columns as one table."""
    if len(tables) == 1:
        return tables[0]
    columns = []
    for first in tables[0].columns:
        same = [c for table in tables for c in table.columns if c.name == first.name]
        if len(same) == len(tables):
            columns.append(_merge_column(same))
    known = all(table.entries is not None for table in tables)
    entries = sum(table.entries or 0 for table in tables) if known else None
    sampled = sum(table.sampled for table in tables)
    return replace(tables[0], entries=entries, sampled=sampled, columns=columns)


def _merge_column(same: Sequence[ColumnSummary]) -> ColumnSummary:
    ranges = [c.range for c in same if c.range is not None]
    edges = (min(r[0] for r in ranges), max(r[1] for r in ranges)) if ranges else None
    listed = all(c.values for c in same if c.distinct)
    values = tuple(sorted({v for c in same for v in c.values}, key=str)) if listed else ()
    return replace(
        same[0],
        range=edges,
        nans=sum(c.nans for c in same),
        infinities=sum(c.infinities for c in same),
        values=values,
        distinct=len(values) or max(c.distinct for c in same),
        is_integer=all(c.is_integer for c in same),
    )
