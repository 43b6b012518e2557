"""What expressions do along the lists of an event: reduce, pick, sort."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.reading.tidy import fill, kind


class Problem(ValueError):
    """What is wrong with an operand, to which the position in the expression is added."""


def widen(value: Any) -> Any:
    """Return booleans and integers as 64-bit integers, so that nothing wraps around."""
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, ak.Array):
        return value
    return ak.values_astype(value, np.int64) if kind(value) in ("integer", "boolean") else value


def lists(value: Any, name: str) -> ak.Array:
    """Return the value if it has a list an event."""
    if not isinstance(value, ak.Array) or value.ndim < 2:
        raise Problem(f"{name} needs a list an event, and this is one value an event")
    return value


def total(value: Any) -> ak.Array:
    """Return the sum of each list, four-vectors too; 0 if it is empty."""
    return ak.sum(widen(lists(value, "sum()")), axis=-1)


def mean(value: Any) -> ak.Array:
    """Return the mean of each list; NaN if it is empty."""
    values = lists(value, "mean()")
    return ak.sum(widen(values), axis=-1) / ak.num(values, axis=-1)


def maximum(value: Any) -> ak.Array:
    """Return the largest value of each list; NaN if it is empty."""
    return _extreme(ak.max, value, "max()")


def minimum(value: Any) -> ak.Array:
    """Return the smallest value of each list; NaN if it is empty."""
    return _extreme(ak.min, value, "min()")


def _extreme(reducer: Any, value: Any, name: str) -> ak.Array:
    values = _floating(lists(value, name))
    return fill(reducer(values, axis=-1))


def _floating(value: ak.Array) -> ak.Array:
    """Return whole numbers as floats, which have a NaN, whether a list is empty or not."""
    return ak.values_astype(value, np.float64) if kind(value) == "integer" else value


def count(value: Any) -> ak.Array:
    """Return the length of each list."""
    return ak.num(lists(value, "count()"), axis=-1)


def any_of(value: Any) -> ak.Array:
    """Return whether a value of each list is true; false if it is empty."""
    return ak.any(lists(value, "any()"), axis=-1)


def all_of(value: Any) -> ak.Array:
    """Return whether all values of each list are true; true if it is empty."""
    return ak.all(lists(value, "all()"), axis=-1)


def index_of_largest(value: Any) -> ak.Array:
    """Return the place of the largest value of each list; −1 if it is empty."""
    return ak.fill_none(ak.argmax(lists(value, "argmax()"), axis=-1), -1)


def index_of_smallest(value: Any) -> ak.Array:
    """Return the place of the smallest value of each list; −1 if it is empty."""
    return ak.fill_none(ak.argmin(lists(value, "argmin()"), axis=-1), -1)


def first(value: Any) -> ak.Array:
    """Return the first of each list; NaN if it is empty."""
    return pick(lists(value, "first()"), 0)


def sort(value: Any, by: Any = None) -> ak.Array:
    """Return each list in falling order, of its own values or of those of `by`."""
    values = lists(value, "sort()")
    return values[argsort(values if by is None else by)]


def argsort(value: Any) -> ak.Array:
    """Return the places that put each list into falling order, equal values as they were."""
    return ak.argsort(-widen(lists(value, "argsort()")), axis=-1, stable=True)


def take(value: Any, number: Any) -> ak.Array:
    """Return the first `number` of each list, fewer where it is shorter."""
    if not isinstance(number, int) or number < 0:
        raise Problem("take(list, number) needs a whole number that is not negative")
    return lists(value, "take()")[:, :number]


def pick(value: ak.Array, place: Any) -> ak.Array:
    """Return the item at `place` of each list; NaN (false, '') where there is none.

    `place` is a number, counted from the end if negative; or one number an event or a list of
    them, as of NanoAOD's `Muon_jetIdx`, where a negative one means that there is none.
    """
    if isinstance(place, ak.Array) and place.ndim > 1:
        return _pick_many(value, place)
    value, counts = _floating(value), ak.to_numpy(ak.num(value, axis=1))
    places = _places(place, counts)
    there = (places >= 0) & (places < counts)
    return fill(ak.firsts(value[ak.unflatten(places[there], there.astype(np.int64))], axis=1))


def _places(place: Any, counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if isinstance(place, int):
        return np.full(len(counts), place) + (counts if place < 0 else 0)
    return np.asarray(ak.to_numpy(widen(place)))


def _pick_many(value: ak.Array, places: ak.Array) -> ak.Array:
    there = (places >= 0) & (places < ak.num(value, axis=1))
    return fill(_floating(value)[ak.mask(widen(places), there)])


def choose(value: ak.Array, mask: ak.Array) -> ak.Array:
    """Return the items of each list for which the mask, a list an event, is true."""
    if mask.ndim < 2:
        raise Problem("a mask in [ ] has one value an item; events are chosen with 'select'")
    return value[mask]
