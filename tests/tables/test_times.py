"""Times of CSV, Parquet, HDF5 and data frames, to the nanosecond; in expressions and written."""

import datetime
import math
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain.errors import DataError, ExpressionError
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.expressions.expression import evaluate
from bunchtrain.tables.reading import open_table
from bunchtrain.tables.splits.blocks import Blocks
from bunchtrain.tables.writing import write_table

RESOLUTIONS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
NANOSECONDS = st.integers(-(2**63) + 1 + 86400 * 10**9, 2**63 - 1 - 86400 * 10**9)
#: Years that text has with four digits, and that pandas and pyarrow agree on.
MODERN = st.integers(0, 4 * 10**18)


def read(path):
    """Return the column t in nanoseconds since 1970, None for a missing time."""
    table = open_table(str(path))
    assert table.fields()["t"] == "datetime64[ns]"
    column = ak.concatenate([chunk.t for chunk in table.blocks(["t"], 3)])
    assert str(column.type.content) == "datetime64[ns]"
    times = ak.to_numpy(column)
    return [None if np.isnat(t) else int(t.astype(np.int64)) for t in times]


def times(values=NANOSECONDS):
    return st.lists(st.one_of(st.none(), values, values), min_size=1, max_size=8)


def in_folder(write, name):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return read(Path(folder) / name)


@pytest.mark.property
@settings(max_examples=examples(100), deadline=None)
@given(times(), st.sampled_from(list(RESOLUTIONS)), st.sampled_from([None, "UTC", "Asia/Tokyo"]))
def test_parquet(values, unit, zone):
    step = RESOLUTIONS[unit]
    stored = [None if v is None else v // step for v in values]
    table = pa.table({"t": pa.array(stored, pa.int64()).cast(pa.timestamp(unit, zone))})
    found = in_folder(lambda path: pq.write_table(table, path, version="2.6"), "t.parquet")
    assert found == [None if v is None else v * step for v in stored]


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-100_000, 100_000)), min_size=1, max_size=8))
def test_dates(days):
    for kind in (pa.date32(), pa.date64()):
        table = pa.table({"t": pa.array(days, pa.int32()).cast(pa.date32()).cast(kind)})
        found = in_folder(lambda path, table=table: pq.write_table(table, path), "t.parquet")
        assert found == [None if v is None else v * 86400 * 10**9 for v in days]


@pytest.mark.property
@settings(max_examples=examples(100), deadline=None)
@given(times(MODERN), st.sampled_from([None, "+00:00", "+05:30", "-08:00"]), st.integers(0, 9))
def test_csv(values, zone, digits):
    assume(any(v is not None for v in values))
    step = 10 ** (9 - digits)
    exact = [None if v is None else v // step * step for v in values]
    hours = {None: 0, "+00:00": 0, "+05:30": 5.5, "-08:00": -8}[zone]
    shift = np.timedelta64(int(hours * 3600), "s")
    unit = next(u for u, size in RESOLUTIONS.items() if step % size == 0)

    def text(value):
        return f"{(np.datetime64(value, 'ns') + shift).astype(f'M8[{unit}]')}{zone or ''}"

    lines = ["t,x", *(f"{'' if v is None else text(v)},1" for v in exact)]
    found = in_folder(lambda path: path.write_text("\n".join(lines) + "\n"), "t.csv")
    assert found == exact


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(times(), st.sampled_from(["fixed", "table"]), st.sampled_from([None, "Europe/Berlin"]))
def test_pandas_in_hdf5(values, layout, zone):
    pytest.importorskip("tables")
    column = pd.Series(pd.to_datetime(np.array(values, "M8[ns]"))).dt.tz_localize("UTC")
    frame = pd.DataFrame({"t": column.dt.tz_convert(zone), "x": 1.0})
    found = in_folder(lambda path: frame.to_hdf(path, key="df", format=layout), "t.h5")
    assert found == values


@pytest.mark.property
@settings(max_examples=examples(100), deadline=None)
@given(times(), times())
def test_written_parquet_is_read_back_and_differences_are_exact(values, others):
    count = min(len(values), len(others))
    t, u = (np.array(v[:count], "M8[ns]") for v in (values, others))
    found = in_folder(lambda path: write_table(path, [{"t": t}], "events"), "t.parquet")
    assert found == values[:count]
    difference = evaluate("t - u", ak.Array({"t": t, "u": u})).to_list()
    for a, b, read in zip(values, others, difference, strict=False):
        expected = math.nan if a is None or b is None else (a - b) / 10**9
        assert read == pytest.approx(expected, rel=1e-15, nan_ok=True)


def test_written_times_are_timestamps_with_missing_ones(tmp_path):
    t = np.array(["2024-05-31", "NaT"], "M8[ns]")
    write_table(tmp_path / "t.parquet", [{"t": t}], "events")
    assert pq.read_table(tmp_path / "t.parquet")["t"].to_pylist() == [
        pd.Timestamp("2024-05-31"),
        None,
    ]
    write_table(tmp_path / "t.csv", [{"t": t[:1]}], "events")
    assert read(tmp_path / "t.csv") == [1717113600 * 10**9]
    with pytest.raises(DataError, match=r"'t' of type datetime64.* cannot be .*; write a"):
        write_table(tmp_path / "t.root", [{"t": t}], "events")


def test_data_in_memory():
    when = pd.to_datetime(["2024-05-31 12:00:00.000000001", None])
    frame = pd.DataFrame({"t": when, "z": when.tz_localize("Asia/Tokyo"), "x": [1.0, 2.0]})
    frame["d"] = [datetime.date(2024, 5, 31)] * 2
    rows = ak.concatenate(list(Arrays(frame).blocks(["t", "z", "d", "x"], 10)))
    assert evaluate("t - z", rows).to_list()[0] == 9 * 3600
    assert evaluate("t - d", rows).to_list()[0] == 43200.000000001
    days = {"t": np.array(["2024-05-31"], "M8[D]"), "x": [1.0]}
    assert Arrays(days).fields()["t"] == "datetime64[ns]"


TIMES = ak.Array({"t": np.array(["2024-05-31", "NaT", "2024-06-01"], "M8[ns]")})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("t", [1717113600.0, math.nan, 1717200000.0]),
        ('t >= "2024-05-31T12:00"', [False, False, True]),
        ('"2024-05-31" == t', [True, False, False]),
        ("t != t", [False, True, False]),
        ("floor(t / 86400)", [19874.0, math.nan, 19875.0]),
    ],
)
def test_times_in_expressions(text, values):
    found = evaluate(text, TIMES).to_list()
    assert found == pytest.approx(values, nan_ok=True)


def test_a_text_that_is_no_time():
    with pytest.raises(ExpressionError, match="'noon' is no time; write it as '2024-05-31'"):
        evaluate('t > "noon"', TIMES)


def test_splits_of_times():
    split = Blocks(column="t", width=86400.0)
    rows = TIMES[[0, 2]]
    assert len(split.assign(rows, np.arange(2), 1)) == 2
    with pytest.raises(DataError, match="split: column 't'"):
        split.assign(TIMES, np.arange(3), 1)


def test_a_time_beyond_the_range(tmp_path):
    table = pa.table({"t": pa.array([10**12], pa.int64()).cast(pa.timestamp("s")), "x": [1]})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"the column 't' of type timestamp.* cannot be read"):
        list(open_table(str(tmp_path / "t.parquet")).blocks(["t"], 10))
    with pytest.raises(DataError, match="outside the years 1677 to 2262"):
        Arrays({"t": np.array(["9999-01-01"], "M8[D]")})


def test_text_that_turns_out_to_be_no_time(tmp_path):
    lines = ["t,x", *["2024-05-31,1"] * 5, "noon,1"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    assert open_table(str(tmp_path / "t.csv")).fields()["t"] == "string"


def test_times_of_npz_of_every_resolution(tmp_path):
    for unit, factor in RESOLUTIONS.items():
        times = np.array([0, 5, np.datetime64("NaT", unit).astype(np.int64)]).astype(f"M8[{unit}]")
        np.savez(tmp_path / "times.npz", t=times)
        assert read(tmp_path / "times.npz") == [0, 5 * factor, None]
