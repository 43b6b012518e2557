"""Rows of objects and windows of series, against plain Python."""

import awkward as ak
import numpy as np
import pytest
from arrays_source import Arrays
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain.errors import DataError
from bunchtrain.tables.transforms.object_rows import ObjectRows
from bunchtrain.tables.transforms.windows import Windows

EVENTS = ak.Array(
    {
        "met": [10.0, 20.0, 30.0],
        "Jet_pt": [[1.0, 2.0], [], [3.0, 4.0, 5.0]],
        "Jet_tag": [[1, 0], [], [0, 0, 1]],
        "Muon_pt": [[7.0], [8.0, 9.0], []],
        "jet1_pt": [1.0, 2.0, 3.0],
        "jet2_pt": [4.0, 5.0, 6.0],
        "jet1_only": [0, 0, 0],
    }
)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_rows_of_a_group_of_lists(rows):
    made = ObjectRows(Arrays(EVENTS), "Jet")
    columns = ["Jet_pt", "Jet_tag", "met", "Muon_pt", "source_entry", "object_index"]
    assert set(columns) <= set(made.fields())
    assert made.fields()["Jet_pt"] == "float64"
    blocks = list(made.blocks(columns, rows))
    assert all(len(block) <= max(rows, 1) for block in blocks)
    table = ak.concatenate(blocks)
    assert table.Jet_pt.tolist() == [1, 2, 3, 4, 5]
    assert table.Jet_tag.tolist() == [1, 0, 0, 0, 1]
    assert table.met.tolist() == [10, 10, 30, 30, 30]
    assert table.Muon_pt.tolist() == [[7], [7], [], [], []]
    assert table.source_entry.tolist() == [0, 0, 2, 2, 2]
    assert table.object_index.tolist() == [0, 1, 0, 1, 2]


def test_rows_of_several_objects():
    made = ObjectRows(Arrays(EVENTS), ["jet1", "jet2"])
    table = ak.concatenate(list(made.blocks(["jet_pt", "met", "object_index"], 2)))
    assert table.jet_pt.tolist() == [1, 4, 2, 5, 3, 6]
    assert table.met.tolist() == [10, 10, 20, 20, 30, 30]
    assert table.object_index.tolist() == [0, 1] * 3
    assert "jet_only" not in made.fields()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ("Jets", "rows: the data have no columns 'Jets_…'; did you mean 'Jet'"),
        ("jet1", r"'jet1_…' have one value per event; give the prefixes of several objects"),
    ],
)
def test_rows_of_what_is_not_there(objects, message):
    with pytest.raises(DataError, match=message):
        ObjectRows(Arrays(EVENTS), objects)


def windows_in_python(series, values, length, step):
    found, index, before = [], 0, None
    for row, name in enumerate(series):
        index = 0 if name != before else index + 1
        before = name
        if index >= length - 1 and (index + 1) % step == 0:
            found.append((index, values[row - length + 1 : row + 1]))
    return found


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 7),
)
def test_windows_of_series(lengths, length, step, rows):
    series = [f"s{k}" for k, n in enumerate(lengths) for _ in range(n)]
    values = np.arange(float(len(series)))
    source = Arrays(ak.Array({"name": series, "x": values, "y": values}))
    made = Windows(source, length=length, step=step, series="name", time="x", columns=["x"])
    first = made.first_row("x"), made.first_row("series_row")
    wanted = ["window_x", "x", "name", "series_row", "series_index", *first]
    table = ak.concatenate(list(made.blocks(wanted, rows)))
    assert [series[k] for k in np.cumsum([0, *lengths])[table.series_index]] == table.name.tolist()
    assert table[first[0]].tolist() == [window[0] for window in table.window_x.tolist()]
    assert np.all(table[first[1]] == table.series_row - length + 1)
    expected = windows_in_python(series, values.tolist(), length, step)
    assert table.series_row.tolist() == [index for index, _ in expected]
    assert table.window_x.tolist() == [window for _, window in expected]
    assert table.x.tolist() == [window[-1] for _, window in expected]


def test_a_series_whose_time_goes_back():
    source = Arrays(ak.Array({"t": [1.0, 2.0, 1.5], "x": [0.0, 1.0, 2.0]}))
    made = Windows(source, length=2, time="t")
    with pytest.raises(DataError, match="entry 2: the time 't' of 'windows' goes back; sort the"):
        list(made.blocks(["window_x"], 10))
    with pytest.raises(DataError, match="windows: the data have no column 'u'"):
        Windows(source, length=2, series="u")


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 9))
def test_windows_end_at_gaps(steps, length, rows):
    start = np.datetime64("2024-05-31", "ns")
    times = start + np.cumsum(steps) * np.timedelta64(1, "s")
    source = Arrays(ak.Array({"t": times, "x": np.arange(float(len(times)))}))
    made = Windows(source, length=length, time="t", columns=["x"], max_gap=2.5)
    table = ak.concatenate(list(made.blocks(["window_x"], rows)))
    expected = [
        list(range(k - length + 1, k + 1))
        for k in range(length - 1, len(steps))
        if all(step <= 2 for step in steps[k - length + 2 : k + 1])
    ]
    assert table.window_x.tolist() == expected


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_windows_are_scaled_by_the_beginning_of_their_series(rows):
    draws = np.random.default_rng(1)
    series, x = np.repeat(["a", "b", "c"], [9, 5, 2]), draws.normal(3, 2, 16)
    x[9:14] = 1.0  # does not vary
    made = Windows(
        Arrays(ak.Array({"s": series, "x": x})), length=2, series="s", columns=["x"], scale=4
    )
    table = ak.concatenate(list(made.blocks(["window_x", "s"], rows)))
    for name, first in (("a", x[:4]), ("b", x[9:13]), ("c", x[14:])):
        values = x[series == name]
        scaled = (values - first.mean()) / (first.std() or 1.0)
        found = np.asarray(table.window_x[table.s == name].tolist())
        assert found == pytest.approx(np.stack([scaled[:-1], scaled[1:]], 1), abs=1e-5)


def test_a_time_that_is_missing_and_a_gap_without_time():
    times = np.array(["2024-05-31", "NaT"], "M8[ns]")
    made = Windows(Arrays(ak.Array({"t": times, "x": [0.0, 1.0]})), length=2, time="t")
    with pytest.raises(DataError, match="entry 1: the time 't' of 'windows' is missing"):
        list(made.blocks(["window_x"], 10))
    with pytest.raises(DataError, match="'max_gap' needs the column of the time; set 'time'"):
        Windows(Arrays(ak.Array({"x": [0.0]})), length=2, max_gap=1.0)
