"""Exact arithmetic and comparison of 64-bit integers, signed and unsigned.

Values and results are exact, as in Python. A result outside −2⁶³ … 2⁶⁴ − 1 makes the results of
the block floats; division by zero gives infinity and NaN, as for floats.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.tables.column_types import kind

Ints = NDArray[Any]
Range = tuple[int, int]

INT64: Range = (-(2**63), 2**63 - 1)
UINT64: Range = (0, 2**64 - 1)


@dataclass(frozen=True)
class Operation:
    """An operation of NumPy, the same of Python, and the range of its results."""

    ufunc: Callable[..., Any]
    python: Callable[[int, int], int]
    bounds: Callable[[Range, Range], Range]


def _corners(python: Callable[[int, int], int]) -> Callable[[Range, Range], Range]:
    def bounds(left: Range, right: Range) -> Range:
        values = [python(a, b) for a in left for b in right]
        return min(values), max(values)

    return bounds


def _quotient_bounds(left: Range, right: Range) -> Range:
    largest = max(abs(left[0]), abs(left[1]))
    return (0 if left[0] >= 0 and right[0] >= 0 else -largest), largest


def _remainder_bounds(left: Range, right: Range) -> Range:
    return min(right[0], 0), max(right[1], 0)


def _bit_bounds(left: Range, right: Range) -> Range:
    return INT64 if _contains(INT64, left) and _contains(INT64, right) else UINT64


OPERATIONS: dict[str, Operation] = {
    "+": Operation(np.add, operator.add, _corners(operator.add)),
    "-": Operation(np.subtract, operator.sub, _corners(operator.sub)),
    "*": Operation(np.multiply, operator.mul, _corners(operator.mul)),
    "//": Operation(np.floor_divide, operator.floordiv, _quotient_bounds),
    "%": Operation(np.remainder, operator.mod, _remainder_bounds),
    "&": Operation(np.bitwise_and, operator.and_, _bit_bounds),
    "|": Operation(np.bitwise_or, operator.or_, _bit_bounds),
    "^": Operation(np.bitwise_xor, operator.xor, _bit_bounds),
    "min": Operation(np.minimum, min, _corners(min)),
    "max": Operation(np.maximum, max, _corners(max)),
}
_DIVISIONS = {"//", "%"}
ORDERS = {
    "==": np.equal, "!=": np.not_equal, "<": np.less,
    "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer or an array of integers, possibly missing ones."""
    if isinstance(value, ak.Array):
        return kind(value) == "integer"
    return isinstance(value, int) and not isinstance(value, bool)


def as_64_bits(value: Any) -> Any:
    """Return booleans and integers as int64, or as uint64 if one of them is 2⁶³ or more."""
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, ak.Array) or kind(value) not in ("integer", "boolean"):
        return value
    return _at_leaves(_narrow, _without_masked(value))


def calculate(name: str, left: Any, right: Any) -> Any:
    """Return the result of `+ - * // % & | ^ min max` of integers, numbers or arrays."""
    return _at_leaves(lambda a, b: _calculate(name, a, b), left, right)


def absolute(value: Any) -> Any:
    """Return the absolute values of integers."""
    return _at_leaves(_absolute, value)


def compare_integers(name: str, left: Any, right: Any) -> Any:
    """Return the result of a comparison of integers; false for a missing one, but `!=` is true."""
    # NumPy compares int64 with uint64 exactly
    found = _at_leaves(ORDERS[name], left, right)
    return ak.fill_none(found, name == "!=", axis=-1) if isinstance(found, ak.Array) else found


def is_listed(values: ak.Array, numbers: Sequence[float]) -> ak.Array:
    """Return whether each integer is one of these numbers."""
    wanted = {int(n) for n in numbers if np.isfinite(n) and n == int(n)}

    def find(data: Ints) -> Ints:
        limits = UINT64 if data.dtype.kind == "u" else INT64
        possible = [n for n in wanted if limits[0] <= n <= limits[1]]
        return np.isin(data, np.array(possible, dtype=data.dtype))

    return _at_leaves(find, values)


def common_type(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two operands with one type that holds the values of both, a float if no integer."""
    dtype = _integer_type(*(_range(_flat(value)) for value in (left, right))) or np.float64
    return _as_type(left, dtype), _as_type(right, dtype)


def as_real_type(value: ak.Array) -> ak.Array:
    """Return integers that may be missing as floats, other values as they are."""
    may_be_missing = is_integer(value) and "?" in str(value.type)
    return ak.values_astype(value, np.float64) if may_be_missing else value


def are_exact_floats(values: ak.Array) -> bool:
    """Return whether these integers are exact as floats of double precision."""
    return _contains((-(2**53), 2**53), _range(_flat(values)))


def sum_lists(values: ak.Array) -> ak.Array:
    """Return the sum of the integers of each list (events, items)."""
    low, high = _range(_flat(values))
    longest = int(ak.max(ak.num(values, axis=-1), axis=None) or 0)
    dtype = _integer_type((low, high), (low * longest, high * longest))
    if dtype is not None:
        return ak.sum(ak.values_astype(values, dtype), axis=-1)
    return ak.Array(_narrow(np.array([sum(one) for one in ak.to_list(values)], dtype=object)))


def _calculate(name: str, left: Ints, right: Ints) -> Ints:
    operation, zero = OPERATIONS[name], None
    if name in _DIVISIONS and (right == 0).any():
        zero = right == 0
        right = np.where(zero, right.dtype.type(1), right)
    ranges = _range(left), _range(right)
    dtype = _integer_type(*ranges, operation.bounds(*ranges))
    if dtype is not None:
        found = operation.ufunc(left.astype(dtype), right.astype(dtype))
    else:
        exact = np.frompyfunc(operation.python, 2, 1)
        found = _narrow(np.asarray(exact(left.astype(object), right.astype(object)), dtype=object))
    return found if zero is None else _divide_by_zero(name, left, found, zero)


def _divide_by_zero(name: str, left: Ints, found: Ints, zero: Ints) -> Ints:
    with np.errstate(all="ignore"):
        infinite = left.astype(np.float64) / 0.0 if name == "//" else np.nan
    return np.where(zero, infinite, found.astype(np.float64))


def _absolute(values: Ints) -> Ints:
    if values.dtype.kind == "u":
        return values
    if _range(values)[0] > INT64[0]:
        return np.abs(values)
    return _narrow(np.asarray(np.abs(values.astype(object)), dtype=object))


def _narrow(values: Ints) -> Ints:
    """Return integers of any type as int64, as uint64 or, if neither contains them, as floats."""
    if values.dtype.kind in "bi" or (values.dtype.kind == "u" and values.dtype.itemsize < 8):
        return values.astype(np.int64)
    return values.astype(_integer_type(_range(values)) or np.float64)


def _integer_type(*ranges: Range) -> type[np.int64] | type[np.uint64] | None:
    """Return the type of 64-bit integers that holds all of these ranges, None without one."""
    if all(_contains(INT64, one) for one in ranges):
        return np.int64
    return np.uint64 if all(_contains(UINT64, one) for one in ranges) else None


def _range(values: Ints) -> Range:
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def _contains(outer: Range, inner: Range) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _flat(value: Any) -> Ints:
    if isinstance(value, ak.Array):
        return np.asarray(ak.to_numpy(ak.flatten(value, axis=None)))
    return _scalar(value)


def _scalar(value: int) -> Ints:
    return np.asarray(value, dtype=np.int64 if _contains(INT64, (value, value)) else np.uint64)


def _as_type(value: Any, dtype: Any) -> Any:
    return ak.values_astype(value, dtype) if isinstance(value, ak.Array) else dtype(value)


def _without_masked(values: ak.Array) -> ak.Array:
    """Return the same values without the numbers that a mask hides, which would widen the type."""

    def project(layout: Any, **_: Any) -> Any:
        if not layout.is_option or not layout.content.is_numpy:
            return None
        exists = layout.mask_as_bool(valid_when=True)
        index = np.where(exists, np.cumsum(exists) - 1, -1)
        return ak.contents.IndexedOptionArray(ak.index.Index64(index), layout.project())

    return ak.transform(project, values) if "?" in str(values.type) else values


def _at_leaves(function: Callable[..., Any], *values: Any) -> Any:
    """Return a function of numbers or of the broadcast innermost arrays of lists."""
    arrays = [value for value in values if isinstance(value, ak.Array)]
    if not arrays:
        return function(*map(_scalar, values)).item()
    scalars = {k: _scalar(v) for k, v in enumerate(values) if not isinstance(v, ak.Array)}

    def action(layouts: Any, **_: Any) -> Any:
        found = layouts if isinstance(layouts, tuple | list) else (layouts,)
        if not all(layout.is_numpy for layout in found):
            return None
        data = iter(np.asarray(layout.data) for layout in found)
        given = [scalars[k] if k in scalars else next(data) for k in range(len(values))]
        made = ak.contents.NumpyArray(function(*given))
        return made if len(arrays) == 1 else (made,)

    found = ak.transform(action, *arrays, numpy_to_regular=True)
    return found[0] if isinstance(found, tuple) else found
