"""CSV and ARFF files are read with the values they hold."""

import csv
import io
import tempfile
from pathlib import Path

import arff
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples
from reading_back import check, integers, numbers

from bunchtrain.tables.reading import open_table

pytestmark = pytest.mark.property

#: Words for numbers above a column of text may be a name or a value; they have a test of their own.
NAMES = st.from_regex(r"[a-z][a-z0-9 ]{0,5}[a-z]", fullmatch=True).filter(
    lambda name: name not in ("nan", "inf", "infinity")
)
#: Words that no column of numbers, dates or missing values has, with separators and quotes.
WORDS = st.text(st.sampled_from("aé,;\t|\" 'x\\%{}?"), max_size=5).map("w{}".format)
TYPES = {
    "int64": (integers("i8"), "number"),
    "uint64": (integers("u8"), "number"),
    "int8": (integers("i1"), "number"),
    "float64": (numbers("f8"), "number"),
    "float32": (numbers("f4"), "number"),
    "bool": (st.booleans(), "boolean"),
    "text": (WORDS, "text"),
}


@st.composite
def tables(draw, missing=True):
    """Return name → (values, kind) of two to five columns, and their types."""
    rows = draw(st.integers(0, 5))
    found, types = {}, {}
    for name in draw(st.lists(NAMES, min_size=2, max_size=5, unique=True)):
        types[name] = draw(st.sampled_from(list(TYPES)))
        values, kind = TYPES[types[name]]
        values = st.one_of(st.none(), values, values) if missing else values
        drawn = draw(st.lists(values, min_size=rows, max_size=rows))
        found[name] = (drawn, kind)
    return found, types


def expected_of(table):
    """Return the columns as text holds them: a column without a value has no type of its own."""
    return {
        name: (values, kind if any(v is not None for v in values) else "number")
        for name, (values, kind) in table.items()
    }


@given(drawn=tables(), separator=st.sampled_from(",;\t|"), step=st.integers(1, 6))
@settings(max_examples=examples(60), deadline=None)
def test_csv_module(drawn, separator, step):
    table, _ = drawn
    text = io.StringIO()
    rows = zip(*(values for values, _ in table.values()), strict=True)
    writer = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(table)
    writer.writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text.getvalue(), encoding="utf-8")
        check(path, expected_of(table), rows=step)


@given(
    drawn=tables(missing=False),
    step=st.integers(1, 6),
    writer=st.sampled_from(["pandas", "polars", "pyarrow"]),
)
@settings(max_examples=examples(60), deadline=None)
def test_csv_of_data_frames(drawn, step, writer):
    table, types = drawn
    columns = {name: values for name, (values, _) in table.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        arrays = {
            name: pa.array(
                values,
                getattr(pa, types[name].replace("text", "string").replace("bool", "bool_"))(),
            )
            for name, values in columns.items()
        }
        if writer == "pandas":
            pa.table(arrays).to_pandas().to_csv(path, index=False)
        elif writer == "polars":
            pl.from_arrow(pa.table(arrays)).write_csv(path)
        else:
            pc.write_csv(pa.table(arrays), path)
        read = {
            name: (single(values, types[name]), table[name][1]) for name, values in columns.items()
        }
        check(path, expected_of(read), rows=step)


def single(values, kind):
    """Return float32 as the shortest text of it is read, in double precision."""
    if kind != "float32":
        return values
    return [float(str(pd.Series([v], dtype="float32")[0])) if v is not None else v for v in values]


@given(values=st.lists(st.lists(integers("i8"), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=examples(40), deadline=None)
def test_csv_without_header(values):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in values))
        columns = {f"column_{k}": ([row[k] for row in values], "number") for k in range(3)}
        check(path, columns)


@given(values=st.lists(st.lists(numbers("f8"), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=examples(40), deadline=None)
def test_csv_of_a_frame_without_names(values):
    with tempfile.TemporaryDirectory() as folder:
        pd.DataFrame(values).to_csv(Path(folder) / "t.csv", index=False)
        columns = {f"column_{k}": ([row[k] for row in values], "number") for k in range(3)}
        check(Path(folder) / "t.csv", columns)


@given(drawn=tables(), step=st.integers(1, 6))
@settings(max_examples=examples(100), deadline=None)
def test_arff(drawn, step):
    table, types = drawn
    kinds = {"text": "STRING", "bool": ["True", "False"]}
    attributes = [(name, kinds.get(types[name], "REAL")) for name in table]
    columns = [values for values, _ in table.values()]
    texts = {n: [v if v is None else str(v) for v in c] for n, c in enumerate(columns)}
    for number, name in enumerate(table):
        if types[name] == "bool":
            columns[number] = texts[number]
    columns = columns if columns[0] else [[None]] * len(columns)  # liac-arff needs a row
    rows = list(zip(*columns, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.arff"
        content = {"relation": "x", "attributes": attributes, "data": rows}
        path.write_text(arff.dumps(content), encoding="utf-8")
        expected = {}
        for (name, (_, kind)), values in zip(table.items(), columns, strict=True):
            as_float = [v if v is None or kind != "number" else float(v) for v in values]
            expected[name] = (as_float, "text" if kind == "boolean" else kind)
        check(path, expected, rows=step)
        assert open_table(str(path)).fields()


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("aa,nan\n", ["aa", "nan"]),
        ("aa,nan\n1,2\n", ["aa", "nan"]),
        ("aa,nan\nbb,2\n", ["column_0", "column_1"]),
        ("nan,nan\n1,2\n", ["column_0", "column_1"]),
    ],
)
def test_a_word_for_a_number_is_a_name_beside_others(text, columns, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert list(open_table(str(path), None).fields()) == columns
