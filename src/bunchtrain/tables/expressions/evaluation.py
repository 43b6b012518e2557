"""Evaluation of a parsed expression: one function per form of the grammar."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, ExpressionError, nearest, shorten
from bunchtrain.tables.column_types import kind, simplify
from bunchtrain.tables.expressions.conditions import VALUE, is_condition, look_up
from bunchtrain.tables.expressions.functions import (
    BINARY,
    CONSTANTS,
    FUNCTIONS,
    UNARY,
    compare,
    is_member,
    require_boolean,
)
from bunchtrain.tables.expressions.grammar import (
    column_names,
    dotted_name,
    error_at,
    literal_value,
)
from bunchtrain.tables.expressions.lists import Problem, apply_mask, pick, require_list
from bunchtrain.tables.expressions.times import as_seconds
from bunchtrain.tables.expressions.vectors import PROPERTIES, vector_property


@dataclass(frozen=True)
class Scope:
    """The columns of an expression: those of events, overridden by `extra`."""

    text: str
    events: ak.Array
    extra: Mapping[str, ak.Array]

    def value(self, node: ast.AST) -> Any:
        """Return the value of a node of the tree; errors name the position of the node."""
        try:
            return _EVALUATORS[type(node)](self, node)
        except (ExpressionError, DataError):
            raise
        except Exception as problem:
            raise error_at(self.text, node, _describe(problem)) from None

    def column(self, name: str) -> ak.Array | None:
        """Return a column, or None if there is none of that name."""
        if name in self.extra:
            return simplify(self.extra[name])
        return simplify(self.events[name]) if name in self.events.fields else None


def _describe(problem: Exception) -> str:
    if isinstance(problem, Problem):
        return str(problem)
    if "cannot broadcast nested list" in str(problem) or "nested list" in str(problem):
        return "the lists that are combined here have different lengths in some event"
    return f"it cannot be computed ({type(problem).__name__})"


def _name(scope: Scope, node: ast.Name | ast.Attribute) -> Any:
    name = dotted_name(node)
    if name is None:
        return vector_property(scope.value(node.value), node.attr)  # type: ignore[union-attr]
    if name in CONSTANTS:
        return CONSTANTS[name]
    found = scope.column(name)
    if found is None and isinstance(node, ast.Attribute) and node.attr in PROPERTIES:
        owner = scope.column(name.rpartition(".")[0])
        found = owner if owner is None else vector_property(owner, node.attr)
    return _require(scope, name, found)


def _require(scope: Scope, name: str, found: ak.Array | None) -> ak.Array:
    if found is None:
        hint = nearest(name, [*scope.extra, *scope.events.fields])
        raise DataError(
            f"the expression '{shorten(scope.text, plain=True)}' uses a column "
            f"'{shorten(name, plain=True)}' that the data do not have{hint}"
        )
    if is_condition(found):
        keys = [key for key in ak.fields(found["rows"]) if key != VALUE]
        raise Problem(f"'{name}' has a value for each key; write {name}[{', '.join(keys)}]")
    return found


def _call(scope: Scope, node: ast.Call) -> Any:
    if isinstance(node.func, ast.Attribute):
        return FUNCTIONS[node.func.attr].apply(as_seconds(scope.value(node.func.value)))
    name = node.func.id  # type: ignore[attr-defined]
    if name == "column":
        column = str(ast.literal_eval(node.args[0]))
        return _require(scope, column, scope.column(column))
    named = {str(keyword.arg): scope.value(keyword.value) for keyword in node.keywords}
    arguments = (scope.value(argument) for argument in node.args)
    exact = name in ("first", "take")  # a function of a time otherwise takes seconds
    return FUNCTIONS[name].apply(*(v if exact else as_seconds(v) for v in arguments), **named)


def _condition(scope: Scope, node: ast.AST) -> ak.Array | None:
    """Return the column of conditions of a name, or None if it is none."""
    names = list(column_names(node))
    is_name = dotted_name(node) is not None or isinstance(node, ast.Call)
    found = scope.column(names[0]) if is_name and len(names) == 1 else None
    return found if is_condition(found) else None


def _subscript(scope: Scope, node: ast.Subscript) -> Any:
    if (condition := _condition(scope, node.value)) is not None:
        keys = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if any(isinstance(key, ast.Slice) for key in keys):
            raise Problem("conditions are looked up by keys, not by a slice")
        return look_up(condition, [scope.value(key) for key in keys])
    values = require_list(scope.value(node.value), "[ ]")
    if isinstance(node.slice, ast.Slice):
        lower, upper = (v and ast.literal_eval(v) for v in (node.slice.lower, node.slice.upper))
        return values[:, lower:upper]
    index = scope.value(node.slice)
    if isinstance(index, ak.Array) and kind(index) == "boolean":
        return apply_mask(values, index)
    integers = isinstance(index, ak.Array) and kind(index) == "integer"
    if isinstance(index, bool) or not (isinstance(index, int) or integers):
        raise Problem("[ ] takes an integer, a slice or a condition on the items")
    return pick(values, index)


def _comparison(scope: Scope, node: ast.Compare) -> Any:
    left, result = scope.value(node.left), None
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, ast.In | ast.NotIn):
            right: Any = None
            one = _is_in(scope, left, right_node)
            one = np.logical_not(one) if isinstance(operator, ast.NotIn) else one
        else:
            right = scope.value(right_node)
            one = compare(type(operator), left, right)
        result, left = one if result is None else np.logical_and(result, one), right
    return result.item() if isinstance(result, np.generic) else result


def _is_in(scope: Scope, left: Any, values: ast.AST) -> Any:
    listed = values.elts  # type: ignore[attr-defined]
    literals = [literal_value(value) for value in listed]
    if None not in literals and isinstance(left, ak.Array):
        return is_member(left, literals)
    found: Any = False
    for value in listed:
        found = np.logical_or(found, compare(ast.Eq, left, scope.value(value)))
    return found


def _connective(scope: Scope, node: ast.BoolOp) -> Any:
    join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
    result = require_boolean(scope.value(node.values[0]))
    for value in node.values[1:]:
        result = join(result, require_boolean(scope.value(value)))
    return result.item() if isinstance(result, np.generic) else result


def _reject_list(scope: Scope, node: ast.AST) -> Any:
    raise Problem("a list of values is allowed after 'in' only")


_EVALUATORS: dict[type[ast.AST], Callable[[Scope, Any], Any]] = {
    ast.Name: _name,
    ast.Attribute: _name,
    ast.Constant: lambda scope, node: node.value,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.Compare: _comparison,
    ast.BoolOp: _connective,
    ast.BinOp: lambda s, n: BINARY[type(n.op)](s.value(n.left), s.value(n.right)),
    ast.UnaryOp: lambda s, n: UNARY[type(n.op)](s.value(n.operand)),
    ast.Tuple: _reject_list,
    ast.List: _reject_list,
}
