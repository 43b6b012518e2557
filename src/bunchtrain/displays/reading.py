"""One event of a table, with the columns that a display can show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak

from bunchtrain.errors import DataError, nearest, one_of
from bunchtrain.tables.table import Column, Table

#: Groups that are shown if there are more than `MAX_GROUPS` and none is chosen.
PREFERRED = (
    "jet",
    "muon",
    "electron",
    "photon",
    "tau",
    "met",
    "genpart",
    "hit",
    "cell",
    "particle",
)
MAX_GROUPS = 4
#: Lists of a table above which only preferred ones are read, and numbers of the event that are.
MAX_LISTS, MAX_NUMBERS = 12, 12
#: Rows that are read at a time in the search for an event.
_ROWS = 256


@dataclass(frozen=True)
class Event:
    """The columns of one event.

    columns   column → its value or list, as awkward arrays.
    schema    of these columns.
    geometry  the condition `geometry` of the table, all its rows; None if there is none.
    left_out  lists that were not read, as there are many.
    """

    columns: Mapping[str, Any]
    schema: Mapping[str, Column]
    geometry: ak.Array | None = None
    left_out: Sequence[str] = ()


def read_event(
    table: Table, entry: int, groups: Sequence[str] = (), what: str = "the table"
) -> Event:
    """Return one event of a table.

    table   of the events.
    entry   index of the event.
    groups  axes of lists whose columns are read; all if empty.
    what    the table, in messages.

    Raises DataError if there is no such event or list.
    """
    schema = {n: c for n, c in table.schema.items() if c.kind in ("real", "integer", "boolean")}
    lists = {c.axis.split(".")[1]: None for c in schema.values() if "." in c.axis}
    if lost := [name for name in groups if name not in lists]:
        hint = nearest(lost[0], lists) or f"; there are {one_of(lists) or 'none'}"
        raise DataError(f"{what} has no list '{lost[0]}'{hint}")
    if groups:
        chosen, left_out = list(groups), list[str]()
    else:
        chosen = list(lists) if len(lists) <= MAX_LISTS else preferred(lists)
        left_out = [name for name in lists if name not in chosen]
    numbers = [n for n, c in schema.items() if "." not in c.axis and not c.shape]
    kept = set(numbers[:MAX_NUMBERS])
    schema = {
        n: c
        for n, c in schema.items()
        if n in kept or c.shape or ("." in c.axis and c.axis.split(".")[1] in chosen)
    }
    if not schema:
        raise DataError(f"{what} has no columns with numbers")
    row = _row(table, entry, list(schema), what)
    beside = table.conditions.get("geometry")
    if beside is None:
        return Event(row, schema, None, left_out)
    names = [name for name in beside.fields() if name != "file_number"]
    return Event(row, schema, ak.concatenate(list(beside.blocks(names, 100_000))), left_out)


def preferred(groups: Collection[str]) -> list[str]:
    """Return the groups that are shown if none is chosen: all of a few, else those of objects."""
    if len(groups) <= MAX_GROUPS:
        return list(groups)
    lowered = {name.lower(): name for name in groups}
    return [lowered[one] for one in PREFERRED if one in lowered] or list(groups)[:MAX_GROUPS]


def _row(table: Table, entry: int, names: list[str], what: str) -> dict[str, Any]:
    """Return column → value of the event; only the piece that holds it is read."""
    known = table.entries
    if entry < 0 or (known is not None and entry >= known):
        raise DataError(_no_event(entry, known, what))
    first, blocks = 0, table.blocks(names, _ROWS)
    for piece in table.pieces(_ROWS):
        if piece.first <= entry < piece.first + piece.stop - piece.start:
            first, blocks = piece.first, table.blocks_of(piece, names, _ROWS)
            break
    for block in blocks:
        if entry < first + len(block):
            return {name: block[name][entry - first] for name in names}
        first += len(block)
    raise DataError(_no_event(entry, first, what))


def _no_event(entry: int, count: int | None, what: str) -> str:
    if not count:
        return f"there is no event {entry} in {what}" + (": it is empty" if count == 0 else "")
    return f"there is no event {entry} in {what}: its {count:,} events are 0 to {count - 1}"
