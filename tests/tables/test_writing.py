import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from bunchtrain.errors import DataError, UserError
from bunchtrain.tables.reading import open_table
from bunchtrain.tables.writing import output_format, write_parquet, write_root, write_table

BLOCKS = [
    {"score": np.float32([0.1, 0.2]), "id": np.array([1, 2]), "pt": ak.Array([[1.0, 2.0], []])},
    {"score": np.float32([0.3]), "id": np.array([3]), "pt": ak.Array([[3.0]])},
]


def test_root_is_a_tree_of_the_same_entries(tmp_path):
    path = tmp_path / "new" / "scores.root"
    assert write_root(path, BLOCKS, "scores") == 3
    with uproot.open(path) as file:
        tree = file["scores"]
        assert file.classname_of("scores") == "TTree"
        assert tree["id"].array().to_list() == [1, 2, 3]
        assert tree["pt"].array().to_list() == [[1, 2], [], [3]]
        assert tree["score"].array().type.content.primitive == "float32"
    assert [other.name for other in path.parent.iterdir()] == ["scores.root"]


def test_parquet_round_trip(tmp_path):
    path = tmp_path / "scores.parquet"
    assert write_parquet(path, [*BLOCKS, ak.Array({"score": [0.4], "id": [4], "pt": [[4.0]]})]) == 4
    assert pq.read_table(path)["pt"].to_pylist() == [[1, 2], [], [3], [4]]


@pytest.mark.parametrize("name", ["out.root", "out.parquet"])
def test_what_breaks_on_the_way_leaves_the_old_file(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")

    def broken():
        yield BLOCKS[0]
        raise DataError("the input broke")

    with pytest.raises(DataError, match="the input broke"):
        write(path, broken())
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def write(path, blocks):
    if path.suffix == ".root":
        return write_root(path, blocks, "scores")
    return write_parquet(path, blocks)


@pytest.mark.parametrize("name", ["out.root", "out.parquet"])
def test_unsupported_types_raise(tmp_path, name):
    with pytest.raises(DataError, match="no columns to write"):
        write(tmp_path / name, [])
    with pytest.raises(DataError, match="differ in length"):
        write(tmp_path / name, [{"a": np.ones(2), "b": np.ones(3)}])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file" / name, BLOCKS)


def test_text_is_no_branch(tmp_path):
    with pytest.raises(DataError, match=r"column 'kind' of type .* cannot be a branch"):
        write_root(tmp_path / "x.root", [{"kind": ak.Array(["a", "b"])}], "t")


FORMATS = [".csv", ".csv.gz", ".h5", ".parquet", ".pq", ".root"]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_every_format_is_read_back(tmp_path, ending, rows):
    columns = {
        "score": np.linspace(0, 1, rows, dtype=np.float32),
        "id": np.arange(rows),
        "selected": np.arange(rows) % 2 == 0,
    }
    path = tmp_path / f"scores{ending}"
    blocks = [{k: v[:0] for k, v in columns.items()}]
    blocks += [{k: v[start : start + 3] for k, v in columns.items()} for start in range(0, rows, 3)]
    assert write_table(path, blocks, "scores") == rows
    table = open_table(str(path))
    assert set(table.fields()) == set(columns)
    found = list(table.blocks(list(columns), 5))
    assert sum(map(len, found)) == rows
    for name, values in columns.items():
        read = np.concatenate([ak.to_numpy(one[name]) for one in found]) if found else []
        assert np.array_equal(np.asarray(read, values.dtype), values)  # CSV has no float32


@pytest.mark.parametrize("name", ["scores", "scores.txt", "scores.json", "scores.gz"])
def test_other_endings_are_refused_with_those_that_exist(name):
    with pytest.raises(UserError, match=r"must end in \.csv, \.csv\.gz, \.h5, .*\.root"):
        output_format(name)


def test_lists_need_another_format(tmp_path):
    with pytest.raises(DataError, match=r"column 'pt' .* write a \.parquet file"):
        write_table(tmp_path / "x.csv", BLOCKS, "t")
