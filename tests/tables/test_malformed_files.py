"""`inspect` answers a cut, random, ragged, doubled or empty file with one sentence, exit code 2."""

import gzip
import io
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain.errors import UserError
from bunchtrain.tables.inspect.inspection import inspect

NUMBERS = np.random.default_rng(1).normal(size=(2000, 3))
NAMES = ["a.root", "a.h5", "frame.h5", "a.parquet", "a.npz", "small.npz", "a.csv", "a.csv.gz"]


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Return name → the bytes of a file of each format."""
    folder = tmp_path_factory.mktemp("files")
    columns = {"x": NUMBERS[:, 0], "n": np.arange(len(NUMBERS))}
    with uproot.recreate(folder / "a.root") as file:
        file["events"] = columns
    with h5py.File(folder / "a.h5", "w") as file:
        for name, values in columns.items():
            file[name] = values
    frame = pd.DataFrame(columns)
    frame.to_hdf(folder / "frame.h5", key="df")
    frame.to_parquet(folder / "a.parquet")
    np.savez(folder / "a.npz", **columns)
    np.savez_compressed(folder / "small.npz", **columns)
    frame.to_csv(folder / "a.csv", index=False)
    (folder / "a.csv.gz").write_bytes(gzip.compress((folder / "a.csv").read_bytes()))
    return {name: (folder / name).read_bytes() for name in NAMES}


def refuse(path):
    """Inspect a file, which must be refused in one sentence."""
    with pytest.raises(UserError) as caught:
        inspect(str(path))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) <= 400
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_cut_files(tmp_path, contents, name, part):
    content = contents[name]
    (tmp_path / name).write_bytes(content[: int(len(content) * part)])
    if name == "a.csv" and part > 0.001:  # may be cut at the end of a row
        content = content[: int(len(content) * part)]
        (tmp_path / name).write_bytes(content[: content.rindex(b",")])
    refuse(tmp_path / name)


@pytest.mark.property
@given(data=st.data(), name=st.sampled_from(NAMES))
@settings(
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damaged_bytes_are_read_or_refused(tmp_path, contents, data, name):
    content = bytearray(contents[name])
    places = st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)
    for place in data.draw(places):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(bytes(content))
    try:
        inspect(str(tmp_path / name))
    except UserError as problem:
        assert len(str(problem)) <= 400  # noqa: PT017


@pytest.mark.parametrize("name", [*NAMES, "a.arff", "a.dat"])
@pytest.mark.parametrize("content", [b"", b"\n\n", bytes(1000), bytes(range(256)) * 20])
def test_files_without_content(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refuse(tmp_path / name)


TEXTS = [
    ("a,b\n1,2\n1,2,3\n", "Expected 2 columns, got 3"),
    ("a,b\n" + "1,2\n" * 50_000 + "1\n", "Expected 2 columns, got 1"),
    ("a,b,a\n1,2,3\n", "column 'a' twice"),
    ('a,b\n1,"x\n2,y\n', "a quote is not closed"),
    ("a,b\n1,\xe4\n", "line 2 is no UTF-8 text"),
    ("a,b\n" + "1,2\n" * 60_000 + "1,\xe4\n", "'b' has bytes that are not UTF-8 text"),
    ("# a\n# b\n", "has no rows"),
    ("a,b\n1;2\n3;4\n", "Expected 2 columns, got 1"),
    ("  1  2\n  3  4\n", "several spaces"),
    ("a\n1\n\n2\n", "empty lines"),
    ('{"a": [1, 2]}\n', "is JSON"),
    ('[{"a": 1}]\n', "is JSON"),
]


@pytest.mark.parametrize(("text", "message"), TEXTS)
def test_ragged_and_doubled_text(tmp_path, text, message):
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    assert message in refuse(tmp_path / "a.csv")


ARFF = [
    ("@relation x\n", "no line '@data'"),
    ("@relation x\n@data\n1\n", "no line '@attribute'"),
    ("@attribute a real\n@attribute a real\n@data\n1,1\n", "'a' twice"),
    ("@attribute a real\n@data\n1,1\n", "Expected 1 columns, got 2"),
    ("@attribute a string\n@data\n'x','y'\n", "row 1 has 2 cells for 1 attributes"),
    ("@attribute a real\n@data\nabc\n", "abc"),
    ("@attribute a real\n@data\n{0 1}\n", "sparse"),
]


@pytest.mark.parametrize(("text", "message"), ARFF)
def test_malformed_arff(tmp_path, text, message):
    (tmp_path / "a.arff").write_text(text)
    assert message in refuse(tmp_path / "a.arff")


def test_columns_of_text_and_commas_are_reported(tmp_path):
    (tmp_path / "a.csv").write_text("a;b;c\n1,5;x;2\n2,5;1.5;3\n1,0;2.5;4\n")
    table = inspect(str(tmp_path / "a.csv")).tables[0]
    assert "decimal commas, as 1,5" in table.unreadable["a"]
    assert table.note == "the column 'b' is text because of 'x'"


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def saved(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved(a=5), "no array with a row per event"),
        (archive(x_npy=b"nothing"), "array 'x' cannot be read"),
        (archive(x_txt=b"nothing"), "no array with a row per event"),
        (saved(a=np.arange(4))[:-40], "may be damaged"),
    ],
)
def test_archives_without_arrays(tmp_path, content, message):
    (tmp_path / "a.npz").write_bytes(content)
    assert message in refuse(tmp_path / "a.npz")


def frame_without_values(kind):
    def fill(file):
        file.create_group("df").attrs["pandas_type"] = np.bytes_(kind)

    return fill


@pytest.mark.parametrize(
    "fill",
    [
        lambda file: None,
        lambda file: file.create_dataset("a", data=5),
        lambda file: file.create_dataset("a", data=h5py.Empty("f4")),
        lambda file: file.create_group("a/b/c"),
        frame_without_values(b"frame"),
        frame_without_values(b"frame_table"),
    ],
)
def test_hdf5_without_events(tmp_path, fill):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        fill(file)
    refuse(tmp_path / "a.h5")


def test_parquet_with_a_column_twice_or_none(tmp_path):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "a.parquet")
    assert "column 'a' twice" in refuse(tmp_path / "a.parquet")
    pq.write_table(pa.table({}), tmp_path / "b.parquet")
    assert "no columns" in refuse(tmp_path / "b.parquet")


def test_root_without_a_tree(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file["h"] = np.histogram(NUMBERS)
    assert "contains no table of events" in refuse(tmp_path / "a.root")


def test_the_command_prints_one_sentence_and_ends_with_2(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n1,2,3\n")
    command = [sys.executable, "-m", "bunchtrain", "inspect", str(tmp_path / "a.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Expected 2 columns, got 3" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
