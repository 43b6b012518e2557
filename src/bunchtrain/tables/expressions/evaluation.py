"""The value of a checked expression: a rule for each form of the grammar."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, ExpressionError, nearest
from bunchtrain.tables.expressions.functions import (
    BINARY,
    CONSTANTS,
    FUNCTIONS,
    UNARY,
    compare,
    truth,
)
from bunchtrain.tables.expressions.grammar import dotted, error_at
from bunchtrain.tables.expressions.lists import Problem, choose, lists, pick
from bunchtrain.tables.expressions.vectors import PROPERTIES, quantity
from bunchtrain.tables.reading.tidy import kind, tidy


@dataclass(frozen=True)
class Scope:
    """What an expression sees: events, and columns that go before theirs."""

    text: str
    events: ak.Array
    extra: Mapping[str, ak.Array]

    def value(self, node: ast.AST) -> Any:
        """Return the value of a part of the tree; its errors name the place of that part."""
        try:
            return _RULES[type(node)](self, node)
        except (ExpressionError, DataError):
            raise
        except Exception as problem:
            raise error_at(self.text, node, _reason(problem)) from None

    def column(self, name: str) -> ak.Array | None:
        """Return a column, or None if there is none of that name."""
        if name in self.extra:
            return tidy(self.extra[name])
        return tidy(self.events[name]) if name in self.events.fields else None


def _reason(problem: Exception) -> str:
    if isinstance(problem, Problem):
        return str(problem)
    if "cannot broadcast nested list" in str(problem) or "nested list" in str(problem):
        return "the lists that meet here have different lengths in some event"
    return f"it cannot be computed ({type(problem).__name__})"


def _name(scope: Scope, node: ast.Name | ast.Attribute) -> Any:
    name = dotted(node)
    if name is None:
        return quantity(scope.value(node.value), node.attr)  # type: ignore[union-attr]
    if name in CONSTANTS:
        return CONSTANTS[name]
    found = scope.column(name)
    if found is None and isinstance(node, ast.Attribute) and node.attr in PROPERTIES:
        owner = scope.column(name.rpartition(".")[0])
        found = owner if owner is None else quantity(owner, node.attr)
    return _known(scope, name, found)


def _known(scope: Scope, name: str, found: ak.Array | None) -> ak.Array:
    if found is None:
        hint = nearest(name, [*scope.extra, *scope.events.fields])
        raise DataError(
            f"the expression '{scope.text}' reads a column '{name}' that the data do not have{hint}"
        )
    return found


def _call(scope: Scope, node: ast.Call) -> Any:
    if isinstance(node.func, ast.Attribute):
        return FUNCTIONS[node.func.attr].apply(scope.value(node.func.value))
    name = node.func.id  # type: ignore[attr-defined]
    if name == "column":
        wanted = str(ast.literal_eval(node.args[0]))
        return _known(scope, wanted, scope.column(wanted))
    named = {str(keyword.arg): scope.value(keyword.value) for keyword in node.keywords}
    return FUNCTIONS[name].apply(*(scope.value(argument) for argument in node.args), **named)


def _subscript(scope: Scope, node: ast.Subscript) -> Any:
    values = lists(scope.value(node.value), "[ ]")
    if isinstance(node.slice, ast.Slice):
        lower, upper = (v and ast.literal_eval(v) for v in (node.slice.lower, node.slice.upper))
        return values[:, lower:upper]
    place = scope.value(node.slice)
    if isinstance(place, ak.Array) and kind(place) == "boolean":
        return choose(values, place)
    if isinstance(place, bool) or not (isinstance(place, int) or _are_integers(place)):
        raise Problem("[ ] takes a whole number, a slice or a condition on the items")
    return pick(values, place)


def _are_integers(value: Any) -> bool:
    return isinstance(value, ak.Array) and kind(value) == "integer"


def _comparison(scope: Scope, node: ast.Compare) -> Any:
    left, result = scope.value(node.left), None
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, ast.In | ast.NotIn):
            right: Any = None
            one = _among(scope, left, right_node)
            one = np.logical_not(one) if isinstance(operator, ast.NotIn) else one
        else:
            right = scope.value(right_node)
            one = compare(type(operator), left, right)
        result, left = one if result is None else np.logical_and(result, one), right
    return result.item() if isinstance(result, np.generic) else result


def _among(scope: Scope, left: Any, values: ast.AST) -> Any:
    found: Any = False
    for value in values.elts:  # type: ignore[attr-defined]
        found = np.logical_or(found, compare(ast.Eq, left, scope.value(value)))
    return found


def _connective(scope: Scope, node: ast.BoolOp) -> Any:
    join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
    result = truth(scope.value(node.values[0]))
    for value in node.values[1:]:
        result = join(result, truth(scope.value(value)))
    return result.item() if isinstance(result, np.generic) else result


def _no_list(scope: Scope, node: ast.AST) -> Any:
    raise Problem("a list of values stands behind 'in' only")


_RULES: dict[type[ast.AST], Callable[[Scope, Any], Any]] = {
    ast.Name: _name,
    ast.Attribute: _name,
    ast.Constant: lambda scope, node: node.value,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.Compare: _comparison,
    ast.BoolOp: _connective,
    ast.BinOp: lambda s, n: BINARY[type(n.op)](s.value(n.left), s.value(n.right)),
    ast.UnaryOp: lambda s, n: UNARY[type(n.op)](s.value(n.operand)),
    ast.Tuple: _no_list,
    ast.List: _no_list,
}
