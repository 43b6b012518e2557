"""Operations on the lists of an event in expressions: reduce, pick, sort."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.column_types import fill_missing, kind


class Problem(ValueError):
    """An invalid operand; the position in the expression is added to the message."""


def widen(value: Any) -> Any:
    """Return booleans and integers as 64-bit integers, so that nothing overflows."""
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, ak.Array):
        return value
    return ak.values_astype(value, np.int64) if kind(value) in ("integer", "boolean") else value


def require_list(value: Any, name: str) -> ak.Array:
    """Return the value if it has a list per event, else raise Problem."""
    if not isinstance(value, ak.Array) or value.ndim < 2:
        raise Problem(f"{name} needs a list per event, but this is one value per event")
    return value


def total(value: Any) -> ak.Array:
    """Return the sum of each list, four-vectors too; 0 if it is empty."""
    return ak.sum(widen(require_list(value, "sum()")), axis=-1)


def mean(value: Any) -> ak.Array:
    """Return the mean of each list; NaN if it is empty."""
    values = require_list(value, "mean()")
    return ak.sum(widen(values), axis=-1) / ak.num(values, axis=-1)


def maximum(value: Any) -> ak.Array:
    """Return the largest value of each list; NaN if it is empty."""
    return _extreme(ak.max, value, "max()")


def minimum(value: Any) -> ak.Array:
    """Return the smallest value of each list; NaN if it is empty."""
    return _extreme(ak.min, value, "min()")


def _extreme(reducer: Any, value: Any, name: str) -> ak.Array:
    values = _floating(require_list(value, name))
    return fill_missing(reducer(values, axis=-1))


def _floating(value: ak.Array) -> ak.Array:
    """Return integers as floats, which can be NaN, even if no list is empty."""
    return ak.values_astype(value, np.float64) if kind(value) == "integer" else value


def count(value: Any) -> ak.Array:
    """Return the length of each list."""
    return ak.num(require_list(value, "count()"), axis=-1)


def any_of(value: Any) -> ak.Array:
    """Return whether any value of each list is true; false if it is empty."""
    return ak.any(require_list(value, "any()"), axis=-1)


def all_of(value: Any) -> ak.Array:
    """Return whether all values of each list are true; true if it is empty."""
    return ak.all(require_list(value, "all()"), axis=-1)


def index_of_largest(value: Any) -> ak.Array:
    """Return the index of the largest value of each list; −1 if it is empty."""
    return ak.fill_none(ak.argmax(require_list(value, "argmax()"), axis=-1), -1)


def index_of_smallest(value: Any) -> ak.Array:
    """Return the index of the smallest value of each list; −1 if it is empty."""
    return ak.fill_none(ak.argmin(require_list(value, "argmin()"), axis=-1), -1)


def first(value: Any) -> ak.Array:
    """Return the first item of each list; NaN if it is empty."""
    return pick(require_list(value, "first()"), 0)


def sort(value: Any, by: Any = None) -> ak.Array:
    """Return each list in decreasing order of its values or of those of `by`."""
    values = require_list(value, "sort()")
    return values[argsort(values if by is None else by)]


def argsort(value: Any) -> ak.Array:
    """Return the indices that sort each list in decreasing order; equal values keep their order."""
    return ak.argsort(-widen(require_list(value, "argsort()")), axis=-1, stable=True)


def take(value: Any, count: Any) -> ak.Array:
    """Return the first `count` items of each list, fewer if it is shorter."""
    if not isinstance(count, int) or count < 0:
        raise Problem("take(list, count) needs a count that is an integer ≥ 0")
    return require_list(value, "take()")[:, :count]


def pick(value: ak.Array, index: Any) -> ak.Array:
    """Return the item at `index` of each list; NaN (false, '') if it does not exist.

    `index` is an integer, counted from the end if negative; or one index per event or a list of
    them, such as NanoAOD's `Muon_jetIdx`, where a negative index means that there is no item.
    """
    if isinstance(index, ak.Array) and index.ndim > 1:
        exists = (index >= 0) & (index < ak.num(value, axis=1))
        return fill_missing(_floating(value)[ak.mask(widen(index), exists)])
    value, counts = _floating(value), ak.to_numpy(ak.num(value, axis=1))
    if isinstance(index, int):
        indices = np.full(len(counts), index) + (counts if index < 0 else 0)
    else:
        indices = np.asarray(ak.to_numpy(widen(index)))
    exists = (indices >= 0) & (indices < counts)
    items = value[ak.unflatten(indices[exists], exists.astype(np.int64))]
    return fill_missing(ak.firsts(items, axis=1))


def apply_mask(value: ak.Array, mask: ak.Array) -> ak.Array:
    """Return the items of each list for which the mask, a list per event, is true."""
    if mask.ndim < 2:
        raise Problem("a mask in [ ] needs one value per item; select events with 'select'")
    return value[mask]
