import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from bunchtrain.errors import DataError, MachineError
from bunchtrain.tables.writing import write_parquet, write_root

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
    with pytest.raises(MachineError, match="cannot be written"):
        write(tmp_path / "file" / name, BLOCKS)


def test_text_is_no_branch(tmp_path):
    with pytest.raises(DataError, match=r"column 'kind' of type .* cannot be a branch"):
        write_root(tmp_path / "x.root", [{"kind": ak.Array(["a", "b"])}], "t")
