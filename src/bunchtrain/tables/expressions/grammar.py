"""The grammar of expressions: a small subset of Python's."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from bunchtrain.errors import ExpressionError, nearest, one_of
from bunchtrain.tables.expressions.functions import BINARY, COMPARE, CONSTANTS, FUNCTIONS, METHODS
from bunchtrain.tables.expressions.functions import UNARY as SIGNS
from bunchtrain.tables.expressions.keywords import parse_with_keywords
from bunchtrain.tables.expressions.vectors import PROPERTIES

_MAX_LENGTH, _MAX_DEPTH, _MAX_OPERATIONS, _MAX_INTEGER = 10_000, 150, 250, 2**64 - 1
_FORMS = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name, ast.Attribute,
    ast.Constant, ast.Subscript, ast.Slice, ast.Tuple, ast.List,
)  # fmt: skip


def error_at(text: str, node: ast.AST | None, problem: str) -> ExpressionError:
    """Return an error with the expression, the position in it and the problem."""
    offset = getattr(node, "col_offset", None)
    place = "" if offset is None else f", character {offset + 1}"
    shown = text if len(text) <= 200 else text[:200] + " …"
    return ExpressionError(f"in the expression '{shown}'{place}: {problem}")


def parse(text: str) -> ast.expr:
    """Return the syntax tree of an expression, which contains only forms of the grammar.

    Raises ExpressionError with the position for anything else.
    """
    if len(text) > _MAX_LENGTH:
        raise error_at(text, None, f"it is longer than {_MAX_LENGTH} characters")
    line = text.replace("\r", " ").replace("\n", " ").strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parse_with_keywords(line)
    except SyntaxError as problem:
        place = problem.offset or len(line) + 1
        raise error_at(text, None, f"{problem.msg} at character {place}") from None
    except (ValueError, MemoryError, RecursionError):
        raise error_at(text, None, "it cannot be parsed") from None
    _check_size(text, tree)
    for node in ast.walk(tree):
        _check(text, node)
    return tree


def _check_size(text: str, tree: ast.AST) -> None:
    """Raise ExpressionError for a tree that is too deep, or too long to be computed quickly."""
    level, depth, operations = [tree], 0, 0
    while level:
        depth += 1
        operations += sum(map(_count_operations, level))
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if depth > _MAX_DEPTH:
            raise error_at(text, None, f"it is nested deeper than {_MAX_DEPTH} levels")
    if operations > _MAX_OPERATIONS:
        raise error_at(
            text,
            None,
            f"it has {operations} operations; split it in parts of at most "
            f"{_MAX_OPERATIONS} with 'define'",
        )


def _count_operations(node: ast.AST) -> int:
    if isinstance(node, ast.Compare):
        listed = [r.elts for r in node.comparators if isinstance(r, ast.List | ast.Tuple)]
        values = [value for values in listed for value in values]
        return len(node.ops) + sum(literal_value(value) is None for value in values)
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript)


def _check(text: str, node: ast.AST) -> None:
    if isinstance(node, ast.expr) and not isinstance(node, _FORMS):
        raise error_at(text, node, f"'{ast.unparse(node)[:40]}' is not part of the grammar")
    if isinstance(node, ast.Call):
        _check_call(text, node)
    elif isinstance(node, ast.Attribute) and dotted_name(node) is None:
        _check_property(text, node)
    elif isinstance(node, ast.BinOp | ast.UnaryOp):
        _check_operator(text, node)
    elif isinstance(node, ast.Compare):
        _check_compare(text, node)
    elif isinstance(node, ast.Constant):
        _check_constant(text, node)
    elif isinstance(node, ast.Slice) and not all(map(_is_integer, (node.lower, node.upper))):
        raise error_at(text, None, "the limits of a slice must be integers, as in Jet_pt[:3]")
    elif isinstance(node, ast.Slice) and node.step is not None:
        raise error_at(text, None, "a slice with a step is not supported")


def _check_call(text: str, node: ast.Call) -> None:
    if isinstance(node.func, ast.Attribute):
        _check_known(text, node, node.func.attr, METHODS)
        if node.args or node.keywords:
            raise error_at(text, node, f".{node.func.attr}() takes no arguments")
        return
    if not isinstance(node.func, ast.Name):
        raise error_at(text, node, "only named functions can be called")
    if node.func.id == "column":
        if len(node.args) != 1 or node.keywords or not _is_text(node.args[0]):
            raise error_at(text, node, "column() takes the name of a column as a string")
        return
    _check_known(text, node, node.func.id, FUNCTIONS)
    _check_arguments(text, node, node.func.id)


def _check_known(text: str, node: ast.AST, name: str, known: object) -> None:
    names = list(known)  # type: ignore[call-overload]
    if name not in names:
        hint = nearest(name, names) or f"; there are {one_of(names, 60)}"
        raise error_at(text, node, f"there is no function '{name}'{hint}")


def _check_arguments(text: str, node: ast.Call, name: str) -> None:
    function = FUNCTIONS[name]
    for keyword in node.keywords:
        if keyword.arg not in function.keywords:
            allowed = one_of(function.keywords) or "none"
            raise error_at(
                text, node, f"{name}() has no argument '{keyword.arg}'; by name: {allowed}"
            )
    if not function.min_arguments <= len(node.args) <= function.max_arguments:
        count = str(function.min_arguments)
        if function.max_arguments > function.min_arguments:
            count += f" to {function.max_arguments}"
        raise error_at(text, node, f"{name}() takes {count} arguments, not {len(node.args)}")


def _check_property(text: str, node: ast.Attribute) -> None:
    if node.attr not in PROPERTIES and node.attr not in METHODS:
        hint = nearest(node.attr, PROPERTIES) or f"; there are {one_of(PROPERTIES)}"
        raise error_at(text, node, f"a four-vector has no '.{node.attr}'{hint}")


def _check_operator(text: str, node: ast.BinOp | ast.UnaryOp) -> None:
    if type(node.op) not in BINARY and type(node.op) not in SIGNS:
        raise error_at(text, node, f"the operator of '{ast.unparse(node)[:40]}' is not supported")


def _check_compare(text: str, node: ast.Compare) -> None:
    for operator, right in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List) or not right.elts:
                raise error_at(text, node, "'in' needs a list of values, as in 'type in [1, 2]'")
        elif type(operator) not in COMPARE:
            raise error_at(text, node, "compare with ==, !=, <, <=, >, >=, in or not in")


def _check_constant(text: str, node: ast.Constant) -> None:
    if not isinstance(node.value, bool | int | float | str):
        raise error_at(text, node, f"'{ast.unparse(node)[:40]}' is not a number or a string")
    if isinstance(node.value, int) and abs(node.value) > _MAX_INTEGER:
        raise error_at(text, node, "the integer does not fit into 64 bits")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def literal_value(node: ast.AST) -> int | float | str | None:
    """Return the number or the string that a node is, or None for another one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal_value(node.operand)
        return None if value is None or isinstance(value, str) else -value
    return node.value if isinstance(node, ast.Constant) else None  # type: ignore[return-value]


def _is_integer(node: ast.AST | None) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return node is None or (isinstance(node, ast.Constant) and type(node.value) is int)


def dotted_name(node: ast.AST) -> str | None:
    """Return 'a.b.c' for names joined by dots, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted_name(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def divides_by_value(tree: ast.AST) -> bool:
    """Return whether a tree has `//` or `%` by something that may be 0."""
    return any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.FloorDiv | ast.Mod)
        and not literal_value(node.right)
        for node in ast.walk(tree)
    )


def column_names(node: ast.AST) -> Iterator[str]:
    """Yield the names of the columns in a tree, with their dots."""
    name = dotted_name(node)
    if name is not None:
        if name not in CONSTANTS:
            yield name
        return
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "column":
            yield str(ast.literal_eval(node.args[0]))
            return
        method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        children = [*method, *node.args, *(keyword.value for keyword in node.keywords)]
    for child in children:
        yield from column_names(child)
