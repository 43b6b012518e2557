"""A class without events in the test set: refused before training, or left out with a report."""

import json

import numpy as np
import pytest
import yaml

import bunchtrain
from bunchtrain.errors import DataError
from bunchtrain.workflow import evaluate


@pytest.fixture
def rare(tmp_path, monkeypatch):
    """Return a study file with a class `c` of 8 events, all in the training set."""
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    label, part = random.integers(0, 2, 600), random.integers(0, 3, 600)
    label[np.flatnonzero(part == 0)[:8]] = 2
    np.savez("t.npz", label=label, part=part, x=random.normal(label))
    classes = {name: f"label == {k}" for k, name in enumerate("abc")}
    split = {"name": "column", "column": "part", "train": [0], "validation": [1], "test": [2]}
    study = {
        "name": "s",
        "source": {"name": "files", "files": "t.npz"},
        "targets": {"p": {"classes": classes}},
        "split": split,
        "representation": {"name": "table", "features": ["x"]},
        "model": {"name": "boosted_trees", "trees": 3, "depth": 2},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    return tmp_path / "s.yaml"


def test_it_is_refused_before_training(rare):
    with pytest.raises(DataError, match=r"no events of class 'c' of target 'p'.*training set: 8"):
        bunchtrain.run(rare)
    assert not list(rare.parent.glob("runs/s/*/models/*"))


def test_an_evaluation_that_fails_is_left_out_and_the_report_is_written(rare, monkeypatch):
    monkeypatch.setattr("bunchtrain.workflow.graph.default_graph.check_test_set", lambda *_: None)
    run = bunchtrain.run(rare)
    assert json.loads((run.folder / "status.json").read_text())["state"] == "finished"
    sentence = "Evaluation classification is left out"
    assert sentence in (run.folder / "report.html").read_text()
    assert "class &#39;c&#39;" in (run.folder / "report.html").read_text()
    assert evaluate.saved_results(run.files, run.study)[0].tables[0].caption.startswith(sentence)
