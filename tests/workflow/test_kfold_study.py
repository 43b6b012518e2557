"""The shipped study of k folds, on few events and in one epoch."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.study import load
from bunchtrain.tables.reading.paths import resolve


def test_each_event_is_predicted_once_out_of_fold(tmp_path):
    few = {"select": "lepton_pt > 1.7", "training.epochs": 1, "evaluation": ["classification"]}
    study = load("kfold_tagging", **few)
    if not Path(resolve(study.source.options["files"])[0][0]).is_file():
        pytest.skip("the public sample is not there: set BUNCHTRAIN_DATA")
    run = bunchtrain.run(study, runs=tmp_path, only=["prepare", "folds"])
    table = pq.read_table(run.folder / "stages" / "folds" / "table.parquet")
    entries = table["entry"].to_pylist()
    assert len(entries) == len(set(entries)) == run.json("data.json")["cutflow"]["select"]
    assert {"folded_trees_signal", "folded_network_signal"} <= set(table.column_names)
