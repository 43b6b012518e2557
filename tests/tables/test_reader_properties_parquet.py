"""Parquet files of pyarrow, pandas, polars and duckdb are read with the values they hold."""

import datetime
import decimal
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples
from reading_back import NAMES, TEXT, check, integers, numbers

from bunchtrain.errors import DataError
from bunchtrain.tables.reading import open_table

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
#: Types that pandas and duckdb keep.
COMMON = [name for name in SIMPLE if name not in ("null", "half", "category", "large text")]


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
def tables(draw, names=tuple(SIMPLE), depth=2, missing=True):
    """Return name → (arrow type, values, kind), of up to five columns and six rows."""
    rows = draw(st.integers(0, 6))
    found = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower)):
        kind, values, what = draw(arrow_columns([SIMPLE[leaf] for leaf in names], depth))
        drawn = st.lists(optional(values) if missing else values, min_size=rows, max_size=rows)
        found[name] = (kind, draw(drawn), what)
    return found


def expected(table):
    return {name: (values, kind) for name, (_, values, kind) in table.items()}


def unreadable(table):
    """Return the columns that pyarrow writes and may fail to read.

    They are missing lists of fixed size, and categories in lists over several row groups.
    """
    nested = {name: str(kind) for name, (kind, _, _) in table.items() if pa.types.is_nested(kind)}
    return [name for name, kind in nested.items() if "fixed_size" in kind or "dictionary" in kind]


@given(table=tables(), rows=st.integers(1, 7), group=st.integers(1, 7))
@settings(max_examples=examples(50), deadline=None)
def test_pyarrow(table, rows, group):
    arrays = {name: pa.array(values, kind) for name, (kind, values, _) in table.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(pa.table(arrays), path, row_group_size=group)
        check(path, expected(table), rows=rows, may_refuse=unreadable(table))


@given(table=tables(tuple(COMMON)), rows=st.integers(1, 7))
@settings(max_examples=examples(50), deadline=None)
def test_polars(table, rows):
    arrays = {name: pa.array(values, kind) for name, (kind, values, _) in table.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pl.from_arrow(pa.table(arrays)).write_parquet(path)
        check(path, expected(table), rows=rows, may_refuse=unreadable(table))


@given(table=tables(tuple(COMMON)), rows=st.integers(1, 7))
@settings(max_examples=examples(50), deadline=None)
def test_duckdb(table, rows):
    arrays = {name: pa.array(values, kind) for name, (kind, values, _) in table.items()}
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as base:
        path = Path(folder) / "t.parquet"
        base.register("source", pa.table(arrays))
        base.execute(f"copy source to '{path}' (format parquet)")
        check(path, expected(table), rows=rows, may_refuse=unreadable(table))


@given(table=tables(tuple(COMMON), depth=0), rows=st.integers(1, 7), index=st.booleans())
@settings(max_examples=examples(50), deadline=None)
def test_pandas(table, rows, index):
    arrays = {name: pa.array(values, kind) for name, (kind, values, _) in table.items()}
    frame = pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)
    columns = expected(table)
    if index:
        events = np.arange(len(frame)) * 7
        frame.index = pd.Index(events, name="event number")
        columns["event number"] = (events.tolist(), "number")
    with tempfile.TemporaryDirectory() as folder:
        frame.to_parquet(Path(folder) / "t.parquet")
        check(Path(folder) / "t.parquet", columns, rows=rows)


DECIMAL = decimal.Decimal


@given(st.lists(st.one_of(st.none(), st.integers(-(10**16), 10**16)), max_size=4))
@settings(max_examples=examples(50), deadline=None)
def test_decimals_are_read_as_the_number_they_show_or_refused(units):
    values = [None if unit is None else DECIMAL(unit).scaleb(-3) for unit in units]
    long = any(unit is not None and abs(unit) >= 10**15 for unit in units)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(pa.table({"d": pa.array(values, pa.decimal128(18, 3))}), path)
        read = [None if value is None else float(value) for value in values]
        check(path, {"d": (read, "number")}, refused=["d"] if long else [])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([datetime.time(12, 30)], "time64"),
        ([datetime.timedelta(1)], "duration"),
        ([b"\xff"], "UTF8"),
        ([b"\xff\xfe"], "UTF8"),
    ],
)
def test_types_that_are_no_column_are_named(tmp_path, values, kind):
    pq.write_table(pa.table({"when": values, "x": [1]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=f"'when' .*{kind}"):
        list(open_table(str(tmp_path / "t.parquet")).blocks(["when"], 9))
    check(tmp_path / "t.parquet", {"x": ([1], "number")})


def test_maps_are_lists_of_keys_and_values(tmp_path):
    values = pa.array([[("a", 1), ("b", None)], None], pa.map_(pa.string(), pa.int8()))
    pq.write_table(pa.table({"m": values}), tmp_path / "t.parquet")
    columns = {"m_key": ([["a", "b"], []], ["text"]), "m_value": ([[1, None], []], ["number"])}
    check(tmp_path / "t.parquet", columns)
