"""Parquet files of pyarrow, pandas, polars and duckdb are read with the values they hold."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples
from reading_back import NAMES, TEXT, check, integers, numbers

pytestmark = pytest.mark.property

INTEGERS = {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32, 64)}
SIMPLE = {
    **{name: (getattr(pa, name)(), integers(name), "number") for name in INTEGERS},
    "half": (pa.float16(), numbers("f2"), "number"),
    "float": (pa.float32(), numbers("f4"), "number"),
    "double": (pa.float64(), numbers("f8"), "number"),
    "bool": (pa.bool_(), st.booleans(), "boolean"),
    "text": (pa.string(), TEXT, "text"),
    "large text": (pa.large_string(), TEXT, "text"),
    "null": (pa.null(), st.none(), "number"),
    "category": (pa.dictionary(pa.int32(), pa.string()), TEXT, "text"),
}
NOT_NULL = ("null",)


def optional(values):
    return st.one_of(st.none(), values, values)


def arrow_columns(leaves, depth=2):
    """Return a strategy of (arrow type, strategy of values, kind), lists and records of leaves."""
    base = st.sampled_from(leaves)
    if depth == 0:
        return base
    inner = arrow_columns(leaves, depth - 1)
    lists = inner.map(_list)
    sized = inner.map(_sized)
    records = st.tuples(inner, inner).map(_record)
    return st.one_of(base, base, lists, sized, records)


def _list(one):
    kind, values, what = one
    return pa.list_(kind), st.lists(optional(values), max_size=3), [what]


def _sized(one):
    kind, values, what = one
    return pa.list_(kind, 2), st.lists(optional(values), min_size=2, max_size=2), [what]


def _record(parts):
    (a, x, one), (b, y, two) = parts
    values = st.fixed_dictionaries({"a": optional(x), "b": optional(y)})
    return pa.struct([("a", a), ("b", b)]), values, {"a": one, "b": two}


@st.composite
def tables(draw, leaves=tuple(SIMPLE.values()), depth=2, missing=True):
    """Return name → (arrow type, values, kind), of up to five columns and six rows."""
    rows = draw(st.integers(0, 6))
    found = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower)):
        kind, values, what = draw(arrow_columns(leaves, depth))
        drawn = st.lists(optional(values) if missing else values, min_size=rows, max_size=rows)
        found[name] = (kind, draw(drawn), what)
    return found


def expected(table):
    return {name: (values, kind) for name, (_, values, kind) in table.items()}


@given(table=tables(), rows=st.integers(1, 7), group=st.integers(1, 7))
@settings(max_examples=examples(200), deadline=None)
def test_pyarrow(table, rows, group):
    arrays = {name: pa.array(values, kind) for name, (kind, values, _) in table.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(pa.table(arrays), path, row_group_size=group)
        # pyarrow writes missing lists of fixed size, and cannot read them.
        sized = [name for name, (kind, _, _) in table.items() if "fixed_size" in str(kind)]
        check(path, expected(table), rows=rows, may_refuse=sized)
