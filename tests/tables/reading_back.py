"""Comparison of what a reader returns with the values that another library wrote."""

import math

import awkward as ak
import numpy as np
import pytest
from hypothesis import strategies as st

from bunchtrain.errors import DataError
from bunchtrain.tables.reading import open_table

#: Text that formats hold: no control characters, no surrogates.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
#: Names of columns, some with what expressions cannot write.
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}(\.[a-z]{1,3})?", fullmatch=True)


HALF = st.integers(0, 2**16 - 1).map(lambda bits: float(np.uint16(bits).view(np.float16)))


def integers(dtype):
    """Return the integers of a type, often those at its limits."""
    limits = np.iinfo(dtype)
    edges = {limits.min, limits.max, 0, 1, *(v for v in (2**53, 2**53 + 1) if v <= limits.max)}
    return st.one_of(st.sampled_from(sorted(edges)), st.integers(int(limits.min), int(limits.max)))


def numbers(dtype):
    """Return the numbers that a type holds, with NaN and infinities."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        return integers(dtype)
    if dtype.kind == "b":
        return st.booleans()
    # hypothesis rejects many of its own numbers of 16 bits.
    return HALF if dtype.itemsize == 2 else st.floats(width=8 * dtype.itemsize)


def plain(value, kind):
    """Return a value as a reader gives it: without missing numbers, texts and lists.

    `kind` is 'number', 'boolean', 'text', a list of the kind of its items, or a dict of kinds.
    """
    if isinstance(kind, list):
        return [] if value is None else [plain(item, kind[0]) for item in value]
    if isinstance(kind, dict):
        return {name: plain((value or {}).get(name), one) for name, one in kind.items()}
    if value is None:
        return {"number": math.nan, "boolean": False, "text": ""}[kind]
    return value


def split(values, kind, name):
    """Yield (column, values, kind), the fields of records as columns of their own."""
    inner, depth = kind, 0
    while isinstance(inner, list):
        inner, depth = inner[0], depth + 1
    if not isinstance(inner, dict):
        yield name, values, kind
        return
    for field, one in inner.items():
        deep = one
        for _ in range(depth):
            deep = [deep]
        yield from split([_field(v, field, depth) for v in values], deep, f"{name}_{field}")


def _field(value, field, depth):
    if value is None:
        return None
    return [_field(item, field, depth - 1) for item in value] if depth else value[field]


def equal(left, right):
    """Return whether two values are equal, NaN to NaN."""
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and left == right
    if isinstance(left, float) and math.isnan(left):
        return math.isnan(right)
    return left == right


def inexact(values, kind):
    """Return whether a column has missing items and integers that no float64 holds."""
    flat = _flatten(values, kind)
    return None in flat and any(int(float(v)) != v for v in flat if _is_integer(v))


def beyond(values, kind):
    """Return whether a column has missing items and integers beyond 2**53."""
    flat = _flatten(values, kind)
    return None in flat and any(abs(v) > 2**53 for v in flat if _is_integer(v))


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _flatten(values, kind):
    """Return the items of a column, None for missing ones that are not lists."""
    if not isinstance(kind, list):
        return list(values)
    return [v for items in values if items is not None for v in _flatten(items, kind[0])]


def check(path, columns, *, tree=None, rows=3, refused=(), may_refuse=(), **options):
    """Read columns (name → (values, kind)) back and compare.

    The `refused` ones must be refused, those of `may_refuse` may be. Integers that no float64
    holds, with missing ones, must be refused, too.
    """
    table = open_table(str(path), tree, **options)
    for name, (values, kind) in columns.items():
        if name in refused:
            assert_refused(table, name)
        if name in refused or (name in may_refuse and is_refused(table, name, rows)):
            continue
        for column, part, what in split(values, kind, name):
            if inexact(part, what):
                assert_refused(table, column)
                continue
            if beyond(part, what) and is_refused(table, column, rows):
                continue
            expected = [plain(value, what) for value in part]
            read = read_column(table, column, rows)
            assert equal(read, expected), (column, kind, read, expected)
            if len(expected) > 1:
                assert equal(read_column(table, column, rows, start=1), expected[1:])
    return table


def read_column(table, column, rows, **limits):
    """Return a column as a list; all chunks have the declared type."""
    chunks = [chunk[column] for chunk in table.blocks([column], rows, **limits)]
    assert all(0 < len(chunk) <= rows for chunk in chunks)
    for chunk in [*chunks, table.empty([column])[column]]:
        assert str(chunk.type.content) == table.fields()[column]
    return ak.concatenate(chunks).to_list() if chunks else []


def is_refused(table, name, rows):
    """Return whether a column, or the columns of its records, cannot be read."""
    columns = [c for c in [*table.fields(), *table.unreadable] if c == name or c.startswith(name)]
    try:
        for column in columns:
            read_column(table, column, rows)
    except DataError as problem:
        return name in str(problem)
    return False


def assert_refused(table, column):
    """Assert that a column is refused in one sentence with its name."""
    with pytest.raises(DataError) as caught:
        list(table.blocks([column], 100))
    assert column in str(caught.value)
    assert len(str(caught.value)) <= 400
