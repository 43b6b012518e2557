"""Probable roles of the columns of a table: target, weight, event number, input."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bunchtrain.tables.expressions.functions import CONSTANTS
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary

_FLAG = re.compile(r"(^|_)is(_|[A-Z])")
_TARGET = re.compile(r"label|signal|truth|target|class|(^|_)sig(_|$)", re.IGNORECASE)
_WEIGHT = re.compile(r"weight|(^|_)wgt|(^|_)w$", re.IGNORECASE)
_EVENT = re.compile(r"^(event|eventnumber|event_?id|eid|evt|entry|event_number)$", re.IGNORECASE)
_ID = re.compile(r"^(run|runnumber|lumi.*|ls|subrun|ttv|split|.*_?index|.*_id|id)$", re.IGNORECASE)
_TRIGGER = re.compile(r"^(HLT|L1|Flag|DST)_")


@dataclass(frozen=True)
class Roles:
    """The columns of a table by their probable role."""

    targets: list[ColumnSummary]
    weights: list[ColumnSummary]
    event: str | None
    inputs: list[ColumnSummary]
    groups: dict[str, list[ColumnSummary]]


def guess_roles(table: TableSummary) -> Roles:
    """Return the probable roles of the columns of a table, from their names and values."""
    flat = [column for column in table.columns if column.lengths is None]
    targets = _targets(flat)
    named = [c for c in flat if _is_target_name(c.name)]
    weights = [c for c in flat if _WEIGHT.search(c.name) and c.range]
    events = [c for c in flat if _EVENT.match(_last(c.name)) and c.is_integer and c.range]
    taken = {c.name for c in (*targets, *named, *weights, *events)}
    inputs = [c for c in flat if c.name not in taken and _is_input(c)]
    return Roles(targets, weights, events[0].name if events else None, inputs, _groups(table))


def _is_target_name(name: str) -> bool:
    return bool(_TARGET.search(name) or _FLAG.search(name))


def _targets(flat: Sequence[ColumnSummary]) -> list[ColumnSummary]:
    few = [c for c in flat if len(c.values) >= 2 and _discrete(c) and not _WEIGHT.search(c.name)]
    named = [c for c in few if _is_target_name(c.name)]
    if named:
        return sorted(named, key=lambda c: (c.type == "string", len(c.values)))
    # A table without header often has its label in the first column, as those of UCI.
    return few[:1] if few and few[0].name == "column_0" else []


def _discrete(column: ColumnSummary) -> bool:
    return column.type == "string" or (column.is_integer and column.range is not None)


def _is_input(column: ColumnSummary) -> bool:
    varies = column.range is not None and column.range[0] < column.range[1]
    name = _last(column.name)
    return varies and not _ID.match(name) and not _TRIGGER.match(column.name)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _groups(table: TableSummary) -> dict[str, list[ColumnSummary]]:
    """Return prefix → the columns of lists of numbers that have it, the largest group first."""
    found: dict[str, list[ColumnSummary]] = {}
    for column in table.columns:
        prefix = re.split(r"[_.]", column.name, maxsplit=1)[0]
        single = column.type.count("var *") == 1 and column.range is not None
        if column.lengths and single and prefix != column.name:
            found.setdefault(prefix, []).append(column)
    many = {prefix: columns for prefix, columns in found.items() if len(columns) > 1}
    return dict(sorted(many.items(), key=lambda item: -len(item[1])))


def as_expression(name: str) -> str:
    """Return the name of a column as it is written in an expression."""
    words = name.split(".")
    plain = all(w.isidentifier() and not keyword.iskeyword(w) for w in words)
    if plain and name.isascii() and name not in CONSTANTS:
        return name
    text = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'column("{text}")'
