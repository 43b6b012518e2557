"""The functions and operators of expressions, by name."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from scipy.special import ndtri

from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions import lists, vectors
from bunchtrain.tables.expressions.lists import Problem, widen
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
    """Return a number or an array of numbers, with integers of 64 bits."""
    if isinstance(value, str) or (isinstance(value, ak.Array) and kind(value) == "text"):
        raise Problem("strings can only be compared with == and !=")
    if vectors.is_vector(value):
        raise Problem("a four-vector is used as a number; use its .pt, .mass, ...")
    return widen(value)


def _elementwise(ufunc: Callable[..., Any], arguments: int = 1) -> Function:
    def apply(*values: Any) -> Any:
        return _scalar(ufunc(*(numeric(value) for value in values)))

    return Function(apply, arguments, arguments)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _reduce_or_combine(reduce: Callable[[Any], Any], ufunc: Callable[..., Any]) -> Function:
    def apply(*values: Any) -> Any:
        if len(values) == 1:
            return reduce(values[0])
        return _scalar(ufunc(*(numeric(value) for value in values)))

    return Function(apply, 1, 2)


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if not any(isinstance(value, ak.Array) for value in (condition, yes, no)):
        return yes if condition else no
    return ak.where(require_boolean(condition), numeric(yes), numeric(no))


def _clip(value: Any, low: Any, high: Any) -> Any:
    return _scalar(np.minimum(np.maximum(numeric(value), numeric(low)), numeric(high)))


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
    *("log", "log10", "log2", "log1p", "exp", "expm1", "sqrt", "cbrt", "abs", "sign"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan"),
    *("arcsinh", "arccosh", "arctanh", "isfinite", "isnan", "floor", "ceil"),
)

FUNCTIONS: dict[str, Function] = {
    **{name: _elementwise(getattr(np, name)) for name in _UNARY},
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
    "max": _reduce_or_combine(lists.maximum, np.maximum),
    "min": _reduce_or_combine(lists.minimum, np.minimum),
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


def _arithmetic(ufunc: Callable[..., Any], on_vectors: bool = False) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if on_vectors and (vectors.is_vector(left) or vectors.is_vector(right)):
            return ufunc(left, right)
        return _scalar(ufunc(numeric(left), numeric(right)))

    return apply


def _bits(ufunc: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if _is_integer(left) and _is_integer(right):
            return _scalar(ufunc(widen(left), widen(right)))
        return _scalar(ufunc(require_boolean(left), require_boolean(right)))

    return apply


def _is_integer(value: Any) -> bool:
    if isinstance(value, ak.Array):
        return kind(value) == "integer"
    return isinstance(value, int) and not isinstance(value, bool)


def _invert(value: Any) -> Any:
    return _scalar(np.invert(widen(value) if _is_integer(value) else require_boolean(value)))


def _negative(value: Any) -> Any:
    return -value if vectors.is_vector(value) else _scalar(np.negative(numeric(value)))


BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: _arithmetic(np.add, on_vectors=True),
    ast.Sub: _arithmetic(np.subtract, on_vectors=True),
    ast.Mult: _arithmetic(np.multiply, on_vectors=True),
    ast.Div: _arithmetic(np.true_divide, on_vectors=True),
    ast.FloorDiv: _arithmetic(np.floor_divide),
    ast.Mod: _arithmetic(np.remainder),
    ast.Pow: _power,
    ast.BitAnd: _bits(np.bitwise_and),
    ast.BitOr: _bits(np.bitwise_or),
    ast.BitXor: _bits(np.bitwise_xor),
}

UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: _negative,
    ast.UAdd: numeric,
    ast.Invert: _invert,
    ast.Not: lambda value: _scalar(np.logical_not(require_boolean(value))),
}

COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


def compare(operator: type[ast.AST], left: Any, right: Any) -> Any:
    """Return the result of a comparison of numbers, or of an equality of strings."""
    are_text = [
        isinstance(v, str) or (isinstance(v, ak.Array) and kind(v) == "text") for v in (left, right)
    ]
    if all(are_text) and operator in (ast.Eq, ast.NotEq):
        return left == right if operator is ast.Eq else left != right
    return _scalar(COMPARE[operator](numeric(left), numeric(right)))
