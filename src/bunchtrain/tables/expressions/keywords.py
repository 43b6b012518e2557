"""Columns that are named as a word of Python: `class`, `from`, `is`, `lambda`."""

from __future__ import annotations

import ast
import io
import keyword
import tokenize

#: Words of the grammar of expressions; a column of this name is written `column("not")`.
_RESERVED = {"not", "True", "False", "None"}
#: Words that join two operands, and are a column where an operand is expected.
_BETWEEN = {"and", "or", "in", "is"}


def parse_with_keywords(line: str) -> ast.expr:
    """Return the syntax tree of a line in which words of Python may be names of columns.

    Raises SyntaxError as `ast.parse` does, of the line as it is.
    """
    parsed = line
    try:
        tree = ast.parse(line, mode="eval").body
    except SyntaxError as problem:
        starts = _columns(line)
        # Python reads a bold letter as the plain one in a name, but not in a keyword
        parsed = "".join(_bold(c) if k in starts else c for k, c in enumerate(line))
        try:
            tree = ast.parse(parsed, mode="eval").body
        except SyntaxError:
            raise problem from None
    if not parsed.isascii():
        _count_characters(tree, parsed)
    return tree


def _bold(letter: str) -> str:
    return chr(ord("\U0001d41a") + ord(letter) - ord("a"))


def _count_characters(tree: ast.expr, line: str) -> None:
    """Replace the positions of nodes, which Python counts in bytes."""
    positions = [k for k, letter in enumerate(line) for _ in letter.encode()]
    for node in ast.walk(tree):
        if hasattr(node, "col_offset"):
            node.col_offset = positions[node.col_offset]


def _columns(line: str) -> set[int]:
    """Return the positions of the words of Python that are operands."""
    found, before = set(), ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            text = token.string
            is_name = text not in _BETWEEN or _precedes_operand(before)
            if keyword.iskeyword(text) and text not in _RESERVED and is_name:
                found.add(token.start[1])
                text = "column"
            elif text == "not" and _precedes_operand(before):
                text = "~"  # not that of 'not in'
            before = text or before
    except (tokenize.TokenError, SyntaxError):
        return set()
    return found


def _precedes_operand(before: str) -> bool:
    """Return whether an operand follows this token."""
    return before in _BETWEEN or before[-1:] in tuple("([,=.+-*/%&|^~<>") or not before
