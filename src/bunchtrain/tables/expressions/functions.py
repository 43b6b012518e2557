"""The functions and operators of expressions, by name."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.column_types import fill_missing, kind
from bunchtrain.tables.expressions import lists, vectors
from bunchtrain.tables.expressions.integers import (
    OPERATIONS,
    ORDERS,
    absolute,
    as_64_bits,
    as_real_type,
    calculate,
    common_type,
    compare_integers,
    is_integer,
    is_listed,
)
from bunchtrain.tables.expressions.lists import Problem
from bunchtrain.tables.expressions.times import (
    as_seconds,
    is_time,
    subtract_times,
    with_texts_as_times,
)
from bunchtrain.tables.hashing import hash_ids, uniform

CONSTANTS: dict[str, float] = {"pi": np.pi, "inf": np.inf, "nan": np.nan}


@dataclass(frozen=True)
class Function:
    """A function with its minimum and maximum number of arguments."""

    apply: Callable[..., Any]
    min_arguments: int = 1
    max_arguments: int = 1
    keywords: tuple[str, ...] = ()


def numeric(value: Any) -> Any:
    """Return a number or an array of numbers, with integers of 64 bits; missing ones are NaN."""
    return _as_real(_number(value))


def _as_real(value: Any) -> Any:
    if isinstance(value, ak.Array):
        return fill_missing(as_real_type(value))
    # NumPy and Awkward take an integer beyond 64 bits with a sign as an object
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _number(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, ak.Array) and kind(value) == "text"):
        raise Problem("strings can only be compared with == and !=")
    if vectors.is_vector(value):
        raise Problem("a four-vector is used as a number; use its .pt, .mass, ...")
    return as_64_bits(as_seconds(value))


def _elementwise(ufunc: Callable[..., Any], arguments: int = 1) -> Function:
    def apply(*values: Any) -> Any:
        return _scalar(ufunc(*(numeric(value) for value in values)))

    return Function(apply, arguments, arguments)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _arithmetic(name: str) -> Callable[[Any, Any], Any]:
    """Return an operation on numbers, exact for integers."""

    def apply(left: Any, right: Any) -> Any:
        left, right = _number(left), _number(right)
        if is_integer(left) and is_integer(right):
            return calculate(name, left, right)
        return _scalar(OPERATIONS[name].ufunc(_as_real(left), _as_real(right)))

    return apply


_larger, _smaller = _arithmetic("max"), _arithmetic("min")


def _maximum(*values: Any) -> Any:
    return _larger(*values) if len(values) == 2 else lists.maximum(*values)


def _minimum(*values: Any) -> Any:
    return _smaller(*values) if len(values) == 2 else lists.minimum(*values)


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if not isinstance(require_boolean(condition), ak.Array):
        return yes if condition else no
    yes, no = _number(yes), _number(no)
    if is_integer(yes) and is_integer(no):
        yes, no = common_type(yes, no)
    else:
        yes, no = _as_real(yes), _as_real(no)
    return ak.where(condition, yes, no)


def _clip(value: Any, low: Any, high: Any) -> Any:
    return _smaller(_larger(value, low), high)


def _absolute(value: Any) -> Any:
    value = _number(value)
    if is_integer(value):
        return absolute(value)
    return _scalar(np.abs(_as_real(value)))


def _random(value: Any, seed: Any = 0) -> Any:
    """Return uniform random numbers in [0, 1): a hash of the value, the same in every run."""
    if not isinstance(value, ak.Array) or value.ndim != 1:
        raise Problem("random() needs a column with one number per event, such as the event number")
    if not isinstance(seed, int):
        raise Problem("the second argument of random() must be an integer")
    plain = np.ascontiguousarray(ak.to_numpy(numeric(value)))
    bits = plain.astype(np.float64) if plain.dtype.kind == "f" else plain.astype(np.int64)
    return ak.Array(uniform(hash_ids(seed, "random", bits.view(np.int64))))


def _normal(value: Any, seed: Any = 0) -> Any:
    """Return random numbers of the standard normal distribution: a hash of the value."""
    from scipy.special import ndtri  # half of the time of this module's imports

    return ak.Array(ndtri(ak.to_numpy(_random(value, seed)) + 2.0**-54))


def _power(base: Any, exponent: Any) -> Any:
    return _scalar(np.power(_as_float(base), _as_float(exponent)))


def _as_float(value: Any) -> Any:
    value = numeric(value)
    if isinstance(value, ak.Array):
        return ak.values_astype(value, np.float64) if kind(value) == "integer" else value
    return float(value)


def require_boolean(value: Any) -> Any:
    """Return a value if it is boolean, else raise Problem."""
    if isinstance(value, bool) or (isinstance(value, ak.Array) and kind(value) == "boolean"):
        return value
    raise Problem(
        "this is not a condition; compare it, as in 'x > 0'; "
        "& and | have higher precedence than comparisons: write '(a > 1) & (b < 2)'"
    )


_UNARY = (
    *("log", "log10", "log2", "log1p", "exp", "expm1", "sqrt", "cbrt", "sign"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan"),
    *("arcsinh", "arccosh", "arctanh", "isfinite", "isnan", "floor", "ceil"),
)

FUNCTIONS: dict[str, Function] = {
    **{name: _elementwise(getattr(np, name)) for name in _UNARY},
    "abs": Function(_absolute),
    "round": _elementwise(np.rint),
    "arctan2": _elementwise(np.arctan2, 2),
    "hypot": _elementwise(np.hypot, 2),
    "delta_phi": Function(vectors.delta_phi, 2, 2),
    "deltaR": Function(vectors.delta_r, 2, 4),
    "p4": Function(vectors.four_vector, 0, 4, vectors.COORDINATES),
    "clip": Function(_clip, 3, 3),
    "where": Function(_where, 3, 3),
    "random": Function(_random, 1, 2),
    "random_normal": Function(_normal, 1, 2),
    "max": Function(_maximum, 1, 2),
    "min": Function(_minimum, 1, 2),
    "sum": Function(lists.total),
    "mean": Function(lists.mean),
    "count": Function(lists.count),
    "any": Function(lists.any_of),
    "all": Function(lists.all_of),
    "argmax": Function(lists.index_of_largest),
    "argmin": Function(lists.index_of_smallest),
    "argsort": Function(lists.argsort),
    "first": Function(lists.first),
    "sort": Function(lists.sort, 1, 2),
    "take": Function(lists.take, 2, 2),
}

#: Functions that can also be called as methods: `p4(…).sum()`.
METHODS = ("sum", "mean", "count", "any", "all", "max", "min", "first")


def _with_vectors(
    numbers: Callable[[Any, Any], Any], four_vectors: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        has_vector = vectors.is_vector(left) or vectors.is_vector(right)
        return four_vectors(left, right) if has_vector else numbers(left, right)

    return apply


def _divide(left: Any, right: Any) -> Any:
    return _scalar(np.true_divide(numeric(left), numeric(right)))


def _bits(name: str, ufunc: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if is_integer(left) and is_integer(right):
            return calculate(name, as_64_bits(left), as_64_bits(right))
        return _scalar(ufunc(require_boolean(left), require_boolean(right)))

    return apply


def _invert(value: Any) -> Any:
    if is_integer(value):  # ~n is -1 - n
        return calculate("-", -1, as_64_bits(value))
    return _scalar(np.logical_not(require_boolean(value)))


def _negative(value: Any) -> Any:
    if vectors.is_vector(value):
        return vectors.scale(value, -1)
    value = _number(value)
    return calculate("-", 0, value) if is_integer(value) else _scalar(np.negative(value))


def _subtract(left: Any, right: Any) -> Any:
    if is_time(left) and is_time(right):
        return subtract_times(left, right)
    return _difference(left, right)


_difference = _arithmetic("-")

BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: _with_vectors(_arithmetic("+"), vectors.add),
    ast.Sub: _with_vectors(_subtract, vectors.subtract),
    ast.Mult: _with_vectors(_arithmetic("*"), vectors.multiply),
    ast.Div: _with_vectors(_divide, vectors.divide),
    ast.FloorDiv: _arithmetic("//"),
    ast.Mod: _arithmetic("%"),
    ast.Pow: _power,
    ast.BitAnd: _bits("&", np.logical_and),
    ast.BitOr: _bits("|", np.logical_or),
    ast.BitXor: _bits("^", np.logical_xor),
}

UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: _negative,
    ast.UAdd: _number,
    ast.Invert: _invert,
    ast.Not: lambda value: _scalar(np.logical_not(require_boolean(value))),
}

COMPARE: dict[type[ast.AST], str] = {
    **{ast.Eq: "==", ast.NotEq: "!="},
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
}


def compare(operator: type[ast.AST], left: Any, right: Any) -> Any:
    """Return the result of a comparison of numbers or times, or of an equality of strings."""
    are_text = [
        isinstance(v, str) or (isinstance(v, ak.Array) and kind(v) == "text") for v in (left, right)
    ]
    if all(are_text) and operator in (ast.Eq, ast.NotEq):
        return left == right if operator is ast.Eq else left != right
    name = COMPARE[operator]
    left, right = with_texts_as_times(left, right)
    if is_time(left) and (is_time(right) or isinstance(right, np.datetime64)):
        return ORDERS[name](left, right)
    if is_time(right) and isinstance(left, np.datetime64):
        return ORDERS[name](left, right)
    left, right = _number(left), _number(right)
    if is_integer(left) and is_integer(right):
        return compare_integers(name, left, right)
    return _scalar(ORDERS[name](_as_real(left), _as_real(right)))


def is_member(values: ak.Array, listed: Sequence[Any]) -> ak.Array:
    """Return whether each value is one of a list of numbers or of strings; a NaN is not."""
    if kind(values) == "text" and all(isinstance(one, str) for one in listed):
        if values.ndim > 1:
            inner = is_member(ak.flatten(values, axis=1), listed)
            return ak.unflatten(inner, ak.num(values, axis=1))
        chosen = set(listed)
        return ak.Array(np.array([one in chosen for one in ak.to_list(values)], dtype=bool))
    values, numbers = _number(values), [_number(one) for one in listed]
    if is_integer(values):
        return ak.fill_none(is_listed(values, numbers), False, axis=-1)
    return ak.transform(lambda layout, **_: _isin(layout, numbers), values)


def _isin(layout: Any, numbers: Sequence[float]) -> Any:
    if not layout.is_numpy:
        return None
    wanted = np.array(numbers, dtype=np.float64).astype(layout.dtype)
    return ak.contents.NumpyArray(np.isin(layout.data, wanted))
