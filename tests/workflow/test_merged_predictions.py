"""Predictions of trainings are read, merged and written in blocks, with the same result."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import DataError, RunError
from bunchtrain.study.loading import validate
from bunchtrain.tables.predictions import Predictions
from bunchtrain.tables.writing import write_parquet
from bunchtrain.transforms._objects import object_rows
from bunchtrain.workflow import trainings


def run(folder, file):
    """Return a finished run of two quick models with ensembles of them."""
    study = {
        "name": "merged",
        "source": {"name": "files", "files": str(file)},
        "targets": {"t": {"classes": {"a": "label == 0", "b": "label == 1"}}},
        "spectators": ["z"],
        "representation": {"name": "table", "features": ["x", "y"]},
        "models": {
            "first": {"model": {"name": "boosted_trees", "trees": 5}},
            "second": {"model": "linear_classifier"},
        },
        "ensembles": {
            "mean": {},
            "fitted": {"by": "trained"},
            "flat": {"of": ["first"], "by": "ddt", "against": "z"},
        },
        "evaluation": [],
    }
    return bunchtrain.run(validate(study), runs=folder, jobs=1)


def test_blocks_of_any_size_give_the_same_file(tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    table = dict(zip("xyz", random.normal(size=(3, 900)), strict=True))
    table["label"] = (table["x"] + random.normal(size=900) > 0).astype(int)
    write_parquet(tmp_path / "events.parquet", [table])
    whole = run(tmp_path / "whole", tmp_path / "events.parquet").predictions
    monkeypatch.setattr(trainings, "ROWS", 17)
    done = run(tmp_path / "blocks", tmp_path / "events.parquet")
    content = pq.ParquetFile(done.files.predictions_file).metadata
    assert content.num_row_groups == -(-content.num_rows // 17)
    assert list(done.predictions.columns) == list(whole.columns)
    for name, values in whole.columns.items():
        assert np.array_equal(done.predictions.columns[name], values), name


LABELS = ak.Array([[0, 1], [], [1, 0, 1], [1], []])


def write_table(path, rows, metadata=True):
    """Write predictions of a target of points for some events."""
    target = {"classes": ["a", "b"], "axis": "point"}
    content = '{"targets": {"t": %s}, "trainings": {}, "ensembles": [], "columns": {}}'
    text = content % str(target).replace("'", '"')
    columns = {"entry": np.arange(rows), "weight": np.ones(rows), "t": LABELS[:rows]}
    write_parquet(path, [columns], {"bunchtrain": text} if metadata else None)


@pytest.mark.parametrize("rows", [5, 0])
def test_a_file_is_read_in_blocks(tmp_path, rows):
    write_table(tmp_path / "p.parquet", rows)
    blocks = list(Predictions.read_blocks(tmp_path / "p.parquet", 2))
    assert [len(one) for one in blocks] == ([2, 2, 1] if rows else [0])
    whole = Predictions.read(tmp_path / "p.parquet")
    assert np.concatenate([one.columns["entry"] for one in blocks]).tolist() == list(range(rows))
    joined = ak.concatenate([one.columns["t"] for one in blocks])
    assert joined.tolist() == whole.columns["t"].tolist() == LABELS[:rows].tolist()


def test_a_file_that_is_no_table_of_predictions(tmp_path):
    with pytest.raises(RunError, match="is missing; resume the run"):
        next(Predictions.read_blocks(tmp_path / "p.parquet", 2))
    write_table(tmp_path / "p.parquet", 3, metadata=False)
    with pytest.raises(DataError, match="contains no schema of predictions"):
        next(Predictions.read_blocks(tmp_path / "p.parquet", 2))


def test_objects_of_blocks_are_those_of_the_whole():
    """Each event has its own objects, wherever a block begins."""
    random = np.random.default_rng(1)
    counts = random.integers(0, 9, 40)
    objects = ak.unflatten(random.integers(-1, 3, counts.sum()), counts)
    truth = ak.unflatten(random.integers(-1, 3, counts.sum()), counts)
    whole = object_rows(np.arange(40), objects, truth)
    blocks = [
        object_rows(np.arange(i, i + 8), objects[i : i + 8], truth[i : i + 8])
        for i in range(0, 40, 8)
    ]
    for name, values in whole.items():
        assert ak.concatenate([one[name] for one in blocks]).tolist() == ak.to_list(values), name
