"""Operations on the lists of an event in expressions: reduce, pick, sort.

A reduction or an index without a value gives NaN, '' or false. For integers it gives a missing
value, so that integers stay exact within the expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.column_types import fill_missing, innermost, kind
from bunchtrain.tables.expressions.integers import as_64_bits, is_integer, sum_lists

#: Larger than the length of any list.
_LONGEST = 2**62


class Problem(ValueError):
    """An invalid operand; the position in the expression is added to the message."""


def require_list(value: Any, name: str) -> ak.Array:
    """Return the value if it has a list per event, else raise Problem."""
    if not isinstance(value, ak.Array) or value.ndim < 2:
        raise Problem(f"{name} needs a list per event, but this is one value per event")
    return value


def total(value: Any) -> ak.Array:
    """Return the sum of each list, four-vectors too; 0 if it is empty, NaN if it has a NaN."""
    values = as_64_bits(require_list(value, "sum()"))
    if is_integer(values):
        return per_list(sum_lists, values)
    is_single = kind(values) == "float" and innermost(values.layout).dtype == np.float32
    return ak.sum(ak.values_astype(values, np.float64) if is_single else values, axis=-1)


def mean(value: Any) -> ak.Array:
    """Return the mean of each list; NaN if it is empty or has a NaN."""
    return total(value) / ak.num(require_list(value, "mean()"), axis=-1)


def maximum(value: Any) -> ak.Array:
    """Return the largest value of each list except NaN; missing if there is none."""
    return _extreme(ak.max, value, "max()")


def minimum(value: Any) -> ak.Array:
    """Return the smallest value of each list except NaN; missing if there is none."""
    return _extreme(ak.min, value, "min()")


def _extreme(reducer: Any, value: Any, name: str) -> ak.Array:
    values = require_list(value, name)
    found = reducer(values, axis=-1)
    # only a list of NaN alone, or an infinite item, gives ±∞
    if kind(found) == "float" and ak.any(np.isinf(found), axis=None):
        found = reducer(_without_nan(values), axis=-1)
    return found if is_integer(found) else fill_missing(found)


def _without_nan(values: ak.Array) -> ak.Array:
    has_nan = kind(values) == "float" and ak.any(np.isnan(values), axis=None)
    return ak.nan_to_none(values) if has_nan else values


def _floating(value: ak.Array) -> ak.Array:
    """Return integers as floats, which can be NaN."""
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
    """Return the index of the largest value of each list except NaN; −1 if there is none."""
    return ak.fill_none(ak.argmax(_without_nan(require_list(value, "argmax()")), axis=-1), -1)


def index_of_smallest(value: Any) -> ak.Array:
    """Return the index of the smallest value of each list except NaN; −1 if there is none."""
    return ak.fill_none(ak.argmin(_without_nan(require_list(value, "argmin()")), axis=-1), -1)


def first(value: Any) -> ak.Array:
    """Return the first item of each list; NaN if it is empty."""
    return pick(require_list(value, "first()"), 0)


def sort(value: Any, by: Any = None) -> ak.Array:
    """Return each list in decreasing order of its values or of those of `by`."""
    values = require_list(value, "sort()")
    return values[argsort(values if by is None else by)]


def argsort(value: Any) -> ak.Array:
    """Return the indices that sort each list in decreasing order, NaN last; stable."""
    values = as_64_bits(require_list(value, "argsort()"))
    if not is_integer(values) and kind(values) != "float":
        raise Problem("argsort() and sort() need numbers")
    if is_integer(values):  # ~x decreases with x and does not overflow
        return ak.argsort(np.invert(values), axis=-1, stable=True)
    if ak.any(np.isnan(values), axis=None):
        return per_list(_argsort_with_nan, values)
    return ak.argsort(-values, axis=-1, stable=True)


def _argsort_with_nan(values: ak.Array) -> ak.Array:
    lengths = ak.to_numpy(ak.num(values))
    flat = np.asarray(ak.to_numpy(ak.flatten(values)))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-flat, owner))  # NaN last
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return ak.unflatten(order - first, lengths)


def per_list(function: Callable[[ak.Array], ak.Array], values: ak.Array) -> ak.Array:
    """Return a function of lists (events, items), applied to the innermost lists."""
    if values.ndim == 2:
        return function(values)
    return ak.unflatten(per_list(function, ak.flatten(values, axis=1)), ak.num(values, axis=1))


def take(value: Any, count: Any) -> ak.Array:
    """Return the first `count` items of each list, fewer if it is shorter."""
    if not is_integer(count) or isinstance(count, ak.Array) or count < 0:
        raise Problem("take(list, count) needs a count that is an integer ≥ 0")
    return require_list(value, "take()")[:, : min(count, _LONGEST)]


def pick(value: ak.Array, index: Any) -> ak.Array:
    """Return the item at `index` of each list; missing (NaN, false, '') if it does not exist.

    `index` is an integer, counted from the end if negative; or one index per event or a list of
    them, such as NanoAOD's `Muon_jetIdx`, where a negative index means that there is no item.
    """
    if isinstance(index, ak.Array) and index.ndim > 1:
        index = as_64_bits(index)
        exists = (index >= 0) & (index < ak.num(value, axis=1))
        return fill_missing(_floating(value)[ak.values_astype(ak.mask(index, exists), np.int64)])
    counts = ak.to_numpy(ak.num(value, axis=1))
    if isinstance(index, ak.Array):
        indices = ak.to_numpy(ak.fill_none(as_64_bits(index), -1))
    else:
        clipped = max(-_LONGEST, min(index, _LONGEST))
        indices = np.full(len(counts), clipped) + (counts if index < 0 else 0)
    exists = (indices >= 0) & (indices < counts)
    items = value[ak.unflatten(indices[exists].astype(np.int64), exists.astype(np.int64))]
    found = ak.firsts(items, axis=1)
    return as_64_bits(found) if is_integer(found) else fill_missing(found)


def apply_mask(value: ak.Array, mask: ak.Array) -> ak.Array:
    """Return the items of each list for which the mask, a list per event, is true."""
    if mask.ndim < 2:
        raise Problem("a mask in [ ] needs one value per item; select events with 'select'")
    return value[mask]
