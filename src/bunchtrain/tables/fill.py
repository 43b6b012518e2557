"""Columns of some rows as columns of all rows: missing where a row has no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

#: Value of a row without one, by the kind of the numpy type; NaN for other types.
_MISSING = {"b": False, "i": -1}


def fill_rows(
    columns: Mapping[str, Any],
    kept: NDArray[np.bool_],
    others: Mapping[str, ak.Array] | None = None,
) -> dict[str, Any]:
    """Return columns of all rows from those of the kept ones, in order.

    Other rows have NaN, −1 in a column of integers such as the item of a role, false in one of
    booleans, and lists of their own or without items.

    columns  name → values (kept rows,), or lists of values.
    kept     (rows,) whether each row has values.
    others   column of lists → the lists of the other rows; they have no items if None.
    """
    if kept.all():
        return dict(columns)
    filled: dict[str, Any] = {}
    place = np.argsort(np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)]))
    for name, values in columns.items():
        if isinstance(values, ak.Array):
            rest = _empty_lists(values, int((~kept).sum())) if others is None else others[name]
            filled[name] = ak.concatenate([values, rest] if len(values) else [rest])[place]
        else:
            missing = _MISSING.get(values.dtype.kind, np.nan)
            filled[name] = np.full(len(kept), missing, values.dtype)
            filled[name][kept] = values
    return filled


def _empty_lists(like: ak.Array, rows: int) -> ak.Array:
    """Return lists without items, of the type of others."""
    return ak.unflatten(ak.flatten(like)[:0], np.zeros(rows, np.int64))
