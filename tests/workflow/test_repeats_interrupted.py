"""A stage `repeat` that is interrupted anywhere gives the same table, from the pieces it has."""

import os
import shutil

import numpy as np
import pytest

import bunchtrain
from bunchtrain.methods.tensor_files import read_tensors
from bunchtrain.study import validate
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.graph.build import build_graph
from bunchtrain.workflow.graph.kinds import repeat as repeating
from bunchtrain.workflow.graph.stage import StageContext

SCORES = {"predict": {"of": "fit"}}
FIT = {"train": {"of": "events", "model": {"name": "dense_network", "widths": [4]}}}
CLASSES = {"kind": {"classes": {"background": "y == 0", "signal": "y == 1"}}}
TOYS = {"over": "toys", "times": 5, "together": 2, "run": ["drawn", "events", "fit", "scores"]}
FOLDS = {"over": "folds", "run": ["in_folds", "folded", "folded_scores"]}
#: Files are written, and folders deleted: an interrupt before each `STEP`-th of these.
STEP = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("repeats")
    y = np.arange(240) % 2
    columns = {"x": np.random.default_rng(1).normal(y), "y": y}
    write_parquet(place / "data.parquet", [columns])
    stages = {
        "drawn": {"transform": {"name": "resample", "of": "source", "rows": 120}},
        "events": {"prepare": {"of": "drawn"}},
        "fit": FIT,
        "scores": SCORES,
        "toys": {"repeat": TOYS},
        "in_folds": {"prepare": {"split": {"name": "kfold", "folds": 3}}},
        "folded": {"train": {**FIT["train"], "of": "in_folds"}},
        "folded_scores": {"predict": {"of": "folded"}},
        "folds": {"repeat": FOLDS},
    }
    study = {
        "name": "repeats",
        "source": {"name": "files", "files": str(place / "data.parquet")},
        "targets": CLASSES,
        "representation": {"name": "table", "features": ["x"]},
        "training": {"epochs": 1, "threads": 1},
        "storage": {"folder": str(place / "cache")},
        "evaluation": [{"name": "two_sample_test", "of": "scores"}],
        "stages": stages,
    }
    return bunchtrain.run(validate(study), runs=place / "runs", only=["toys", "folds"], jobs=1)


def make(run, name, before):
    """Make a table once more; `before` is called with each piece, and with each change of files."""
    folder, real = run.files, repeating.Repeat.make_rows
    stage = build_graph(folder, run.study)[name]

    def called(function, at):
        def wrapped(*given, **options):
            before(at(*given))
            return function(*given, **options)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeating.Repeat, "make_rows", called(real, lambda _, piece: piece[0].index))
        patch.setattr(os, "replace", called(os.replace, lambda *_: None))
        patch.setattr(shutil, "rmtree", called(shutil.rmtree, lambda *_: None))
        stage.run(StageContext(folder, run.study, stage, resume=True))


def files(run, name):
    """The contents of all files of a table."""
    record = build_graph(run.files, run.study)[name].files(run.folder)
    left_out = ("training.json", "history.csv")  # which have times
    return {path: content(path) for path in record if path.name not in left_out}


def content(path):
    if path.suffix != ".safetensors":
        return path.read_bytes()
    return repr(as_lists(read_tensors(path)))  # in which NaN equals NaN


def as_lists(value):
    """Return nested tensors as nested lists, without the times of epochs."""
    if isinstance(value, dict):
        timed = ("seconds", "samples_per_second")
        return {name: as_lists(one) for name, one in value.items() if name not in timed}
    if isinstance(value, list):
        return [as_lists(one) for one in value]
    return np.asarray(value).tolist()


@pytest.mark.parametrize(
    ("name", "size"), [("toys", 2), pytest.param("folds", 1, marks=pytest.mark.nightly)]
)
def test_an_interrupt_anywhere_leaves_the_table_and_the_pieces_that_are_done(run, name, size):
    expected, place = files(run, name), run.folder / "stages" / name
    shutil.rmtree(place)
    interrupted = 0
    for limit in range(1, 1000, STEP):
        changes = iter(range(1, limit))

        def interrupt(piece, changes=changes):
            if piece is not None:  # only the first that is missing is made
                assert len(list((place / ".pieces").glob("*.json"))) == piece // size
            elif next(changes, None) is None:
                raise KeyboardInterrupt

        try:
            make(run, name, interrupt)
            break
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted > 5
    assert files(run, name) == expected
