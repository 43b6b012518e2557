"""Layout of a text table, from its first lines: comments, separator, header and names."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import fsspec

from bunchtrain.errors import DataError

_SEPARATORS = ",\t;| "
_BYTES, _LINES = 200_000, 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Layout:
    """Separator, lines before the first row, and names of the columns of a text table."""

    separator: str
    skip: int
    names: list[str]
    has_rows: bool


def find_layout(path: str, names: Sequence[str] | None, header: bool | None) -> Layout:
    """Return the layout of a text table; `names` and `header` are used where given.

    Raises DataError if the file has no rows, is no UTF-8 text, or has two columns of one name.
    """
    lines, complete = _first_lines(path)
    comments = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if comments == len(lines) or not any(line.strip() for line in lines[comments:]):
        raise DataError(f"{path}: the file has no rows")
    if re.match(r'\s*(\{\s*"|\[\s*[{\[])', lines[comments]):
        raise DataError(
            f"{path} is JSON, which is not read; convert it, for instance "
            "`pandas.read_json(…).to_parquet('events.parquet')`"
        )
    body = [line for line in lines[comments:] if line]
    separator = _find_separator(path, body)
    first, *others = [_cells(line, separator) for line in body[: _LINES + 1]]
    comment = _cells(lines[comments - 1].lstrip("# "), separator) if comments else []
    named = _is_header(first, others) if header is None else header
    found = first if named else comment if len(comment) == len(first) else []
    skip = comments + (lines[comments:].index(body[0]) + 1 if named else 0)
    has_rows = not (named and complete and len(body) == 1)
    return Layout(separator, skip, _column_names(path, list(names or found), len(first)), has_rows)


def _first_lines(path: str) -> tuple[list[str], bool]:
    """Return the first lines, and whether they are all."""
    with fsspec.open(path, "rb", compression="infer") as file:
        content = file.read(_BYTES)
    complete = len(content) < _BYTES
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, final=complete)
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line} is no UTF-8 text; if the file is text, save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}: line {line} has a byte 0, so the file is no text")
    lines = re.split(r"\r\n|\n|\r", text)
    return (lines if complete or len(lines) == 1 else lines[:-1]), complete


def _find_separator(path: str, lines: Sequence[str]) -> str:
    """Return the separator that gives equally many cells in the first lines.

    Of several the one is taken whose cells have no other separator in them, then that with most
    cells; spaces only if no other does.
    """
    found: dict[str, tuple[bool, bool, int]] = {}
    for separator in _SEPARATORS:
        rows = [_cells(line, separator) for line in lines[:_LINES]]
        counts = {len(row) for row in rows}
        if len(counts) == 1 and counts != {1}:
            clean = all(_is_clean(cell, separator) for row in rows for cell in row)
            found[separator] = (separator != " ", clean, counts.pop())
    best = max(found, key=lambda separator: found[separator], default=",")
    words = {len(line.split()) for line in lines[:_LINES]}
    aligned = any(re.search(r"^ |\S {2,}\S", line) for line in lines[:_LINES])
    if (best == " " or not found) and aligned and len(words) == 1 and words != {1}:
        raise DataError(
            f"{path}: the columns are separated by several spaces; separate them by one character"
        )
    return best


def _is_clean(cell: str, separator: str) -> bool:
    others = [other for other in _SEPARATORS[:-1] if other != separator]
    return bool(_DECIMAL_COMMA.fullmatch(cell)) or not any(other in cell for other in others)


def is_decimal_comma(cell: str) -> bool:
    """Return whether a text is a number with a decimal comma."""
    return bool(_DECIMAL_COMMA.fullmatch(cell))


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def _is_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Return whether the first line has names: no number, or the numbers 0, 1, … as of pandas.

    These are names only above a column of which each number has a decimal point, or is none. Words
    for numbers, such as nan, are names beside others, if these are above numbers alone.
    """
    found = [cell for cell in first if is_number(cell)]
    if not found:
        return True
    if len(found) < len(first) and not any(map(_has_digits, found)):
        named = [at for at, cell in enumerate(first) if not is_number(cell)]
        below = [row[at] for row in others for at in named if at < len(row)]
        return all(is_number(cell) or not cell for cell in below)
    numbers = list(first[1:] if first[0] == "" else first)
    if numbers != [str(n) for n in range(len(numbers))] or not others:
        return False
    columns = zip(*others, strict=False)
    return any(all(re.search(r"\.|e|nan|inf|^$", cell) for cell in column) for column in columns)


def _has_digits(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def is_number(cell: str) -> bool:
    """Return whether a text is a number, with a decimal point or comma."""
    try:
        float(cell)
    except ValueError:
        return is_decimal_comma(cell)
    return "_" not in cell


def _column_names(path: str, names: list[str], count: int) -> list[str]:
    if names and len(names) != count:
        raise DataError(f"{path}: {len(names)} names are given for {count} columns")
    named = [name or f"column_{n}" for n, name in enumerate(names or [""] * count)]
    if all(name.isdecimal() for name in names[1:]) and names[1:]:  # of a pandas frame
        named = [names[0] or "index", *names[1:]]
        named = [f"column_{name}" if name.isdecimal() else name for name in named]
    if duplicates := {name for name in named if named.count(name) > 1}:
        raise DataError(f"{path}: the header has the column '{min(duplicates)}' twice; set 'names'")
    return named
