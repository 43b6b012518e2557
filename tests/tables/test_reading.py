import gzip
import pickle

import awkward as ak
import fsspec
import h5py
import layouts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import served
import uproot

from bunchtrain.errors import DataError, MissingDependency
from bunchtrain.tables.arrow import from_arrow
from bunchtrain.tables.column_types import simplify
from bunchtrain.tables.reading import open_table, table_names
from bunchtrain.tables.reading.paths import fingerprint, resolve, split_tree

JETS = ak.Array([[50.0, 40.0], [], [30.0], [1.0, 2.0, 3.0], [7.0]])


def read(table, columns=None, rows=2, **limits):
    chunks = list(table.blocks(columns or list(table.fields()), rows, **limits))
    assert all(0 < len(chunk) <= rows for chunk in chunks)
    return ak.concatenate(chunks)


@pytest.fixture
def tree_file(tmp_path):
    path = tmp_path / "events.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {"met": "f4", "event": "i8", "Jet_pt": "var * float32"})
        for low, high in ((0, 3), (3, 5)):
            part = {"met": np.arange(low, high), "event": np.arange(low, high) * 10**10}
            tree.extend({**part, "Jet_pt": JETS[low:high]})
    return str(path)


def test_root_tree(tree_file):
    table = open_table(tree_file)
    assert table.entries == 5
    assert table.fields()["Jet_pt"] == "var * float32"
    events = read(table, ["Jet_pt", "event"])
    assert events["Jet_pt"].to_list() == JETS.to_list()
    assert events["event"].to_list() == [k * 10**10 for k in range(5)]
    assert read(table, ["met"], start=1, stop=4)["met"].to_list() == [1, 2, 3]


def test_root_ntuple_with_records(tmp_path):
    path = str(tmp_path / "ntuple.root")
    events = ak.zip({"x": np.arange(5.0), "Jet": ak.zip({"pt": JETS, "eta": JETS})}, depth_limit=1)
    with uproot.recreate(path) as file:
        file.mkrntuple("events", events)
    table = open_table(path)
    assert set(table.fields()) == {"x", "Jet_pt", "Jet_eta"}
    assert read(table, ["Jet_eta"])["Jet_eta"].to_list() == JETS.to_list()


def test_root_with_several_trees_needs_one_named(tmp_path):
    path = str(tmp_path / "two.root")
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f4"}).extend({"x": np.arange(3)})
        file.mktree("Runs", {"y": "f4"}).extend({"y": np.arange(2)})
    with pytest.raises(DataError, match=r"several trees \(Events, Runs\); name one"):
        open_table(path)
    with pytest.raises(DataError, match="no tree 'Event'; did you mean 'Events'"):
        open_table(path, "Event")
    assert open_table(path, "Runs").entries == 2


def test_a_missing_column_is_reported_with_the_nearest(tree_file):
    with pytest.raises(DataError, match="no column 'Jet_pT'; did you mean 'Jet_pt'"):
        next(open_table(tree_file).blocks(["Jet_pT"], 10))


def test_hdf5_as_atlas_writes_it(tmp_path):
    path = str(tmp_path / "atlas.h5")
    jets = np.zeros(3, dtype=[("pt", "f4"), ("flavour", "i4")])
    jets["pt"] = [10, 20, 30]
    tracks = np.zeros((3, 4), dtype=[("d0", "f2"), ("valid", "?")])
    tracks["d0"] = np.arange(12).reshape(3, 4)
    tracks["valid"] = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    with h5py.File(path, "w") as file:
        file["jets"], file["tracks"], file["weights"] = jets, tracks, np.ones(2)
    table = open_table(path)
    assert table.fields() == {
        "jets_pt": "float32",
        "jets_flavour": "int32",
        "tracks_d0": "var * float32",
    }
    assert read(table)["tracks_d0"].to_list() == [[0, 1], [], [8, 9, 10, 11]]
    assert "2 rows, and the table has 3" in table.unreadable["weights"]
    assert set(open_table(path, "jets").fields()) == {"pt", "flavour"}


def test_hdf5_arrays(tmp_path):
    path = str(tmp_path / "arrays.h5")
    with h5py.File(path, "w") as file:
        file["sample/image"] = np.arange(12.0).reshape(3, 2, 2)
        file["sample/label"] = np.array([0, 1, 1])
        file["sample/name"] = ["a", "bc", "d"]
    assert table_names(path) == ["sample"]
    events = read(open_table(path))
    assert events["image"][1].to_list() == [[4, 5], [6, 7]]
    assert events["name"].to_list() == ["a", "bc", "d"]


BLOCKS = [(["a", "b"], np.arange(10.0).reshape(5, 2)), (["label"], np.arange(5).reshape(5, 1))]


@pytest.mark.parametrize("write", [layouts.pandas_fixed, layouts.pandas_table])
def test_hdf5_of_pandas(tmp_path, write):
    path = str(tmp_path / "frame.h5")
    write(path, "df", BLOCKS)
    table = open_table(path)
    assert (table.name, table.entries) == ("df", 5)
    events = read(table)
    assert events["b"].to_list() == [1, 3, 5, 7, 9]
    assert events["label"].to_list() == [0, 1, 2, 3, 4]
    matrices = list(table.matrices({"all": ["b", "a"]}, 3))
    assert matrices[1]["all"].tolist() == [[7, 6], [9, 8]]


def test_hdf5_of_pandas_with_data_columns_and_numbers_as_names(tmp_path):
    path = str(tmp_path / "frame.h5")
    layouts.pandas_table(path, "df", [([0, 1], np.ones((2, 2)))], [("tag", np.array([b"x", b"y"]))])
    assert set(open_table(path).fields()) == {"column_0", "column_1", "tag"}
    assert read(open_table(path))["tag"].to_list() == ["x", "y"]


class Trap:
    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_a_pickle_in_a_file_makes_no_objects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layouts.pandas_table("frame.h5", "df", BLOCKS[:1])
    with h5py.File("frame.h5", "a") as file:
        pickled = pickle.dumps([Trap()], protocol=0)
        file["df/table"].attrs["values_block_0_kind"] = np.bytes_(pickled)
    with pytest.raises(DataError, match="cannot be read"):
        open_table("frame.h5")
    assert not (tmp_path / "trapped").exists()


def test_parquet_with_lists_missing_values_and_categories(tmp_path):
    path = str(tmp_path / "events.parquet")
    columns = {
        "n": pa.array([1, None, 3, 4, 5]),
        "k": pa.array([1, 2, 3, 4, 5], pa.int8()),
        "kind": pa.array(["a", "b", None, "a", "b"]).dictionary_encode(),
        "jets": pa.array([[{"pt": 1.0}], [], [{"pt": 2.0}, {"pt": None}], None, [{"pt": 3.0}]]),
    }
    pq.write_table(pa.table(columns), path, row_group_size=2)
    table = open_table(path)
    assert table.fields() == {
        "n": "float64", "k": "int8", "kind": "string", "jets_pt": "var * float64",
    }  # fmt: skip
    events = read(table)
    assert str(events["n"].to_list()) == "[1.0, nan, 3.0, 4.0, 5.0]"
    assert events["kind"].to_list() == ["a", "b", "", "a", "b"]
    assert str(events["jets_pt"].to_list()) == "[[1.0], [], [2.0, nan], [], [3.0]]"
    assert read(table, ["k"], start=1, stop=4)["k"].to_list() == [2, 3, 4]


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
def test_csv_with_header(tmp_path, separator):
    path = tmp_path / "events.csv"
    rows = [["pt", "n", "kind"], ["1.5", "1", "a"], ["nan", "2", "b"], ["3", "3", "c"]]
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    table = open_table(str(path))
    assert table.fields() == {"pt": "float64", "n": "int64", "kind": "string"}
    assert str(read(table)["pt"].to_list()) == "[1.5, nan, 3.0]"


def test_csv_gzipped_without_header(tmp_path):
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(b"1\t0.5\n0\t0.7\n1\t0.9\n"))
    assert set(open_table(str(path)).fields()) == {"column_0", "column_1"}
    table = open_table(str(path), names=["label", "x"])
    assert read(table)["label"].to_list() == [1, 0, 1]
    with pytest.raises(DataError, match="3 names are given for 2 columns"):
        open_table(str(path), names=["a", "b", "c"])


def test_csv_types_are_valid_for_the_entire_file(tmp_path, monkeypatch):
    monkeypatch.setattr("bunchtrain.tables.reading.csv._BLOCK", 64)
    path = tmp_path / "events.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * 40 + "1.5,,x\n")
    table = open_table(str(path))
    assert table.fields() == {"a": "float64", "b": "float64", "c": "string"}
    assert read(table, rows=9)["a"].to_list() == [1.0] * 40 + [1.5]


def test_npz_with_offsets(tmp_path):
    path = str(tmp_path / "jets.npz")
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    fortran = np.asfortranarray(values)
    np.savez_compressed(
        path, p=values, q=fortran, offsets=[0, 2, 2, 6], label=[0, 1, 1], z=np.ones(7)
    )
    table = open_table(path)
    assert set(table.fields()) == {"p_0", "p_1", "q_0", "q_1", "label"}
    assert "fits neither" in table.unreadable["z"]
    events = read(table)
    assert events["p_1"].to_list() == events["q_1"].to_list() == [[1, 3], [], [5, 7, 9, 11]]
    assert read(table, ["p_0"], start=2)["p_0"].to_list() == [[4, 6, 8, 10]]


def test_remote_files_are_read_as_local_ones(tmp_path, tree_file):
    pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / "x.parquet")
    (tmp_path / "x.csv").write_text("x,y\n1,2\n3,4\n")
    layouts.pandas_fixed(tmp_path / "x.h5", "df", BLOCKS)
    np.savez(tmp_path / "x.npz", x=[1, 2])
    with served.served(tmp_path) as address:
        remote = open_table(f"{address}/events.root")
        assert read(remote)["Jet_pt"].to_list() == JETS.to_list()
        for name, entries in (("x.parquet", 3), ("x.csv", 2), ("x.h5", 5), ("x.npz", 2)):
            assert len(read(open_table(f"{address}/{name}"))) == entries
        assert fingerprint(f"{address}/x.csv") == fingerprint(f"{address}/x.csv")
        with pytest.raises(DataError, match="there is no file"):
            open_table(f"{address}/nothing.root")


def test_files_in_memory_and_their_globs():
    with fsspec.open("memory://run/a.csv", "wb") as file:
        file.write(b"x\n1\n2\n")
    assert resolve("memory://run/*.csv") == [("memory:///run/a.csv", None)]
    assert read(open_table("memory://run/a.csv"))["x"].to_list() == [1, 2]


def test_paths(tmp_path, monkeypatch):
    for name in ("b.root", "a.root"):
        (tmp_path / name).write_bytes(b"root")
    monkeypatch.setenv("PLACE", str(tmp_path))
    paths = [str(tmp_path / name) for name in ("a.root", "b.root")]
    assert resolve("$PLACE/*.root:Events") == [(path, "Events") for path in paths]
    assert split_tree("root://host:1094//x.root:t") == ("root://host:1094//x.root", "t")
    with pytest.raises(DataError, match="no file matches"):
        resolve("$PLACE/*.h5")
    with pytest.raises(DataError, match="searches all folders"):
        resolve("../" * 40 + "**/*.h5")
    with pytest.raises(DataError, match="environment variable NOWHERE"):
        resolve("$NOWHERE/x.root")


def test_a_protocol_that_is_not_installed_raises():
    with pytest.raises(MissingDependency, match="pip install"):
        open_table("nosuchprotocol://host/x.root")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("blank.root", b"root" + bytes(60), "contains no table of events"),
        ("text.root", b"a,b\n1,2\n", "not a root file"),
        ("cut.h5", b"\x89HDF\r\n\x1a\n" + bytes(20), "may be damaged"),
        ("cut.parquet", b"PAR1" + bytes(20), "may be damaged"),
        ("cut.npz", b"PK\x03\x04" + bytes(20), "may be damaged"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 columns, got 3"),
        ("empty.csv", b"", "is empty"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_table(str(tmp_path / name))


def test_a_file_cut_short(tree_file):
    with open(tree_file, "r+b") as file:
        file.truncate(900)
    with pytest.raises(DataError, match="may be damaged or truncated"):
        open_table(tree_file)


def test_a_file_cut_in_the_middle_of_its_baskets(tree_file):
    with open(tree_file, "r+b") as file:
        content = bytearray(file.read())
        places = [k for k in range(len(content) - 6) if content[k : k + 6] == b"TBaske"]
        for place in places:
            content[place - 30 : place + 40] = bytes(70)
        file.seek(0)
        file.write(content)
    with pytest.raises(DataError, match=r"events\.root cannot be read"):
        list(open_table(tree_file).blocks(["Jet_pt"], 2))


def test_a_missing_file_is_reported_with_the_nearest(tmp_path):
    (tmp_path / "ttbar.root").write_bytes(b"root")
    with pytest.raises(DataError, match=r"no file .*tbar.root'; did you mean 'ttbar.root'"):
        open_table(str(tmp_path / "tbar.root"))
    with pytest.raises(DataError, match="is a folder"):
        open_table(str(tmp_path))


def test_a_fingerprint_changes_with_the_file(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x\n1\n")
    before = fingerprint(str(path))
    assert fingerprint(str(path)) == before
    path.write_text("x\n2\n")
    assert fingerprint(str(path)) != before


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (ak.Array([[1, None], None]), "[[1.0, nan], []]"),
        (ak.Array([True, None]), "[True, False]"),
        (ak.from_numpy(np.ones((1, 2), np.float16)), "[[1.0, 1.0]]"),
        (ak.Array(["a", None]), "['a', '']"),
    ],
)
def test_simplified_columns_have_no_missing_values(column, expected):
    simplified = simplify(column)
    assert str(simplified.to_list()) == expected
    assert "?" not in str(simplified.type)
    assert "float16" not in str(simplified.type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n18446744073709551615\n1\n", {"a": [2**64 - 1, 1]}),
        ("0,1,2\n0.5,1.5,3\n", {"column_0": [0.5], "column_1": [1.5], "column_2": [3]}),
        ("0,1,2\n3,4,5\n", {"column_0": [0, 3], "column_1": [1, 4], "column_2": [2, 5]}),
        (",0,1\n7,1.5,2.5\n", {"index": [7], "column_0": [1.5], "column_1": [2.5]}),
        ('a,b\n1,"x\ny"\n2,z\n', {"a": [1, 2], "b": ["x\ny", "z"]}),
        ("\ufeffa,b\n1,2\n", {"a": [1], "b": [2]}),
        ("x y z,1\na b c,2\n", {"column_0": ["x y z", "a b c"], "column_1": [1, 2]}),
        ("a\n1\nw\n3\n", {"a": ["1", "w", "3"]}),
        ("a,b\n", {"a": [], "b": []}),
    ],
)
def test_csv_values(tmp_path, text, expected):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    table = open_table(str(tmp_path / "a.csv"))
    chunks = list(table.blocks(list(table.fields()), 10)) or [table.empty(list(table.fields()))]
    assert table.entries == len(chunks[0])
    assert {name: chunks[0][name].to_list() for name in chunks[0].fields} == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a;b\n1,5;x\n2,5;y\n", "decimal commas, as 1,5"),
        ("a,b\n9007199254740993,1\n,2\n", "its integers, as 9007199254740993, do not fit"),
        ("a,b\n1.5,1\n9007199254740993,2\n", "its integers, as 9007199254740993, do not fit"),
        ("a,b\n-9223372036854775809,1\n", "its integers, as -9223372036854775809, do not fit"),
    ],
)
def test_csv_columns_that_no_type_holds(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=f"column 'a' .*{reason}"):
        list(open_table(str(tmp_path / "a.csv")).blocks(["a"], 9))


def test_slices_of_arrow_arrays_keep_their_missing_values():
    for values in ([None, 1, 5, None], ["a", None, "b"], [True, None, False], [[1], None, [2]]):
        whole = pa.array(values)
        for start in range(len(values)):
            assert from_arrow(whole.slice(start)).to_list() == values[start:]


def test_the_only_tree_with_rows_is_taken(tmp_path):
    path = str(tmp_path / "two.root")
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f4"}).extend({"x": np.arange(3)})
        file.mktree("Runs", {"y": "f4"})
    table = open_table(path)
    assert table.entries == 3
    assert table.note == "of 2 trees, 'Events' is the only one with rows"
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a/x"], file["b/y"] = np.zeros(0), np.zeros(2)
    assert open_table(str(tmp_path / "two.h5")).name == "b"
