"""Columns of conditions in expressions: `geometry.x[sensor_id]`, a value of a small table by key.

The small table is the same for all events, so that each row of a block refers to one copy: the
column `geometry.x` has records of the `entry` of the event and `rows`, a list with the keys and the
value of each row of the table. Masks and slices of events do not copy it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np
from awkward.contents import ListArray, NumpyArray, RecordArray
from awkward.index import Index64
from numpy.typing import NDArray

from bunchtrain.errors import DataError, shorten
from bunchtrain.tables.column_types import as_float64, kind, simplify
from bunchtrain.tables.expressions.lists import Problem

#: Name of the records of a column of conditions.
RECORD = "condition"
#: Field with the values that are looked up.
VALUE = "value"


def condition_column(content: ak.Array, name: str, missing: str, first: int, rows: int) -> ak.Array:
    """Return the column (rows,) of a condition for a block of events.

    content  the small table: fields of the keys, and the value.
    name     of the conditions.
    missing  `raise` or `nan`: what an unknown key gives.
    first    entry of the first event of the block.
    rows     number of events of the block.
    """
    starts = np.zeros(rows, np.int64)
    lists = ListArray(Index64(starts), Index64(starts + len(content)), content.layout)
    entries = NumpyArray(np.arange(first, first + rows, dtype=np.int64))
    about = {"__record__": RECORD, "name": name, "missing": missing}
    return ak.Array(RecordArray([entries, lists], ["entry", "rows"], rows, parameters=about))


def is_condition(value: Any) -> bool:
    """Return whether a column is one of conditions, to be looked up by a key."""
    return isinstance(value, ak.Array) and value.layout.purelist_parameter("__record__") == RECORD


def look_up(column: ak.Array, keys: Sequence[Any]) -> ak.Array:
    """Return the values of a column of conditions for keys: (events,), or lists like the keys.

    Several keys must each have one value per event, or lists of the same lengths. Raises Problem
    for keys of another number or type, DataError for a key that the conditions do not have, unless
    these are NaN, false or ''.
    """
    layout = column.layout
    if not layout.is_record:  # rows that were selected
        layout = layout.project()
    name, content = layout.parameter("name"), ak.Array(layout.content("rows").content)
    names = [field for field in content.fields if field != VALUE]
    if len(keys) != len(names):
        raise Problem(f"'{name}' has the key {', '.join(names)}; give {len(names)} values in [ ]")
    columns = [_as_column(key, len(column)) for key in keys]
    deepest = max(columns, key=lambda one: one.ndim)
    counts, rows = _flatten(deepest)
    given = [_flat_key(one, deepest, rows, name) for one in columns]
    found = _positions([content[n] for n in names], given, name, names)
    may_be_missing = layout.parameter("missing") == "nan"
    if not may_be_missing and (unknown := np.flatnonzero(found < 0)).size:
        first = int(unknown[0])
        entry = np.asarray(layout.content("entry").data)[rows[first]]
        values = ", ".join(
            f"{n} {shorten(str(_item(one, first)), plain=True)}"
            for n, one in zip(names, given, strict=True)
        )
        raise DataError(
            f"conditions.{name} has no row with {values}, which entry {entry} needs; add it, or "
            "set 'missing: nan'"
        )
    result = _values(content[VALUE], found, may_be_missing)
    for count in reversed(counts):
        result = ak.unflatten(result, count)
    return result


def _item(values: Any, index: int) -> Any:
    one = values[index]
    return one.item() if isinstance(one, np.generic) else one


def _as_column(key: Any, events: int) -> ak.Array:
    """Return a key as a column; a constant is the same for all events."""
    if isinstance(key, ak.Array):
        if kind(key) not in ("integer", "text", "boolean", "float"):
            raise Problem("a key in [ ] must be an integer or a text")
        return key
    return ak.Array([key])[np.zeros(events, np.int64)]


def _flatten(column: ak.Array) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return the lengths of the lists at each depth, and the event of each item."""
    counts, rows = [], np.arange(len(column))
    while column.ndim > 1:
        counts.append(np.asarray(ak.to_numpy(ak.num(column)), dtype=np.int64))
        rows, column = np.repeat(rows, counts[-1]), ak.flatten(column, axis=1)
    return counts, rows


def _flat_key(column: ak.Array, deepest: ak.Array, rows: NDArray[np.int64], name: str) -> Any:
    """Return the key of each item, one value per event repeated for its items."""
    if column.ndim == 1 and deepest.ndim > 1:
        return ak.to_numpy(column)[rows]
    counts, events = _flatten(column)
    if column.ndim != deepest.ndim or not np.array_equal(events, rows):
        raise Problem(f"the keys of '{name}' have lists of different lengths in some event")
    for _ in counts:
        column = ak.flatten(column, axis=1)
    return ak.to_numpy(column)


def _positions(
    table: Sequence[ak.Array], given: Sequence[Any], name: str, names: Sequence[str]
) -> NDArray[np.int64]:
    """Return the row of the table with each key, (items,), −1 where there is none."""
    codes, wanted = np.zeros(len(table[0]), np.int64), np.zeros(len(given[0]), np.int64)
    is_known = np.ones(len(wanted), bool)
    for column, key, label in zip(table, given, names, strict=True):
        own = ak.to_numpy(column)
        key = key if len(key) else np.empty(0, own.dtype)
        if (own.dtype.kind == "U") != (key.dtype.kind == "U"):
            kinds = ["text" if one.dtype.kind == "U" else "numbers" for one in (own, key)]
            raise Problem(f"the key '{label}' of '{name}' is {kinds[0]}, and {kinds[1]} is given")
        known, codes_of = np.unique(own, return_inverse=True)
        place = np.minimum(np.searchsorted(known, key), len(known) - 1)
        is_known &= known[place] == key
        codes, wanted = codes * len(known) + codes_of, wanted * len(known) + place
    order = np.argsort(codes, kind="stable")
    place = np.searchsorted(codes[order], wanted)
    place = np.minimum(place, len(order) - 1)
    is_known &= codes[order][place] == wanted
    return np.where(is_known, order[place], -1)


def _values(values: ak.Array, rows: NDArray[np.int64], may_be_missing: bool) -> ak.Array:
    """Return the values of these rows; those of row −1 are missing."""
    if not may_be_missing:
        return values[rows]
    if kind(values) == "integer":  # whether or not one is missing in this block
        values = ak.Array(as_float64(ak.to_numpy(values)))
    return simplify(ak.mask(values[np.maximum(rows, 0)], rows >= 0))
