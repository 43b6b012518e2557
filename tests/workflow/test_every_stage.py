"""One contract for all kinds of stages: not run again, run with what depends on it, resumed.

A tiny study has stages of all kinds. It is run once; once more in a folder of its own, where a
stage of each kind is interrupted at its begin, in its middle and at its end; and with one changed
option for each kind.
"""

import copy
import json
import os
import shutil
from contextlib import contextmanager
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import InterruptedRun
from bunchtrain.study import validate
from bunchtrain.study.stages import StageConfig
from bunchtrain.workflow.graph.engine import Engine
from bunchtrain.workflow.graph.record import FILE, read_record
from bunchtrain.workflow.graph.stage import Kind

pytest.importorskip("gymnasium", reason="pip install 'bunchtrain[environments]'")

TABLE = {"name": "table", "features": ["x0", "x1"]}
MIXTURE = {"name": "gaussian_mixture", "components": 2}
FLOW = {"name": "normalizing_flow", "transforms": 1, "flow": "spline_autoregressive"}
STREAM = {"name": "event_stream", "table": "source", "scores": ["x0"], "signal": "y == 1"}
TARGET = {"o": {"classes": {"made": "origin == 1", "data": "origin == 0"}}}
STAGES = {
    "data": {"source": {"name": "files", "files": "DATA"}},
    "background": {"prepare": {"of": "data", "select": "y == 0", "targets": {}}},
    "density": {"train": {"of": "background", "method": MIXTURE}},
    "samples": {"generate": {"of": "density", "rows": 200, "seed": 3}},
    "drawn": {"transform": {"name": "resample", "of": "samples", "rows": 100, "seed": 4}},
    "mixed": {"prepare": {"of": ["data", "drawn"], "targets": TARGET}},
    "network": {"train": {"of": "mixed", "model": {"name": "dense_network", "widths": [4]}}},
    "scores": {"predict": {"of": "network"}},
    "first": {"trained": "OTHER:train.one"},
    "scored": {"predict": {"of": ["network", "first"], "on": "data"}},
    "exported": {"export": {"name": "EXPORT:Copied", "of": "network"}},
    "menu": {
        "rollout": {
            "environment": {**STREAM, "budget": 10.0, "blocks": 4},
            "policy": "fixed",
            "episodes": 2,
        }
    },
    "toys": {"repeat": {"times": 3, "together": 2, "run": ["drawn", "mixed", "network", "scores"]}},
    "search": {
        "workflow": {
            "name": "density_then_classifier",
            "features": ["x1"],
            "mass": "x0",
            "region": "x0 > 0 and x0 < 1",
            "rows": 80,
            "density": FLOW,
            "classifier": {"name": "boosted_trees", "trees": 2},
            "training": {"epochs": 1},
        }
    },
}
STUDY = {
    "name": "tiny",
    "source": {"name": "files", "files": "DATA"},
    "targets": {"c": {"classes": {"b": "y == 0", "s": "y == 1"}}},
    "representation": TABLE,
    "training": {"epochs": 3, "batch_size": 64, "threads": 1},
    "evaluation": [
        {"name": "two_sample_test", "of": "scores"},
        {"name": "p_value", "observed": "scores", "null": "toys"},
    ],
    "stages": STAGES,
}
#: A target of one's own, whose files are those of the trained model.
EXPORT = """
from bunchtrain.deployment.export import ExportTarget
from bunchtrain.deployment.verification import Verification, verify
from bunchtrain.trained_files import load


class Copied(ExportTarget):
    def __init__(self, *, tolerance: float = 1e-4) -> None:
        self.tolerance = tolerance

    def unsupported_reason(self, trained):
        return None

    def export(self, trained, events, folder):
        trained.save(folder)
        again = load(folder)
        found = verify(
            "copy", trained, events, lambda given, rows: again.predict(given), self.tolerance
        )
        return Verification(found, [path.name for path in folder.iterdir()], {})
"""
#: Kind of stage → key of an option, its other value, and the stages that depend on it directly; the
#: first of them is interrupted.
CHANGES = {
    "source": ("stages.data.source.files", "MORE", ["data"]),
    "prepare": ("stages.mixed.prepare.select", "x0 > -1", ["mixed", "toys"]),
    "train": ("stages.density.train.method.components", 3, ["density"]),
    "predict": ("stages.scored.predict.on", "source", ["scored"]),
    "generate": ("stages.samples.generate.seed", 5, ["samples"]),
    "transform": ("stages.drawn.transform.seed", 5, ["drawn", "toys"]),
    "rollout": ("stages.menu.rollout.seed", 5, ["menu"]),
    "export": ("stages.exported.export.tolerance", 1e-3, ["exported"]),
    "trained": ("stages.first.trained", "OTHER:train.two", ["first"]),
    "repeat": ("stages.toys.repeat.times", 4, ["toys"]),
    "workflow": ("stages.search.workflow.rows", 70, ["search.masses", "search.samples"]),
    "evaluate": (
        "evaluation",
        [{"name": "two_sample_test", "of": "scores", "bins": 5}, *STUDY["evaluation"][1:]],
        ["evaluate.scores.two_sample_test", "toys"],  # whose repetitions are evaluated so
    ),
    "report": ("title", "Another title", ["report"]),
}
#: Stages that each run checks or writes itself: sources, the report, and exports, which name their
#: run.
ALWAYS = {"source", "data", "report", "exported"}
#: Files with times, or the folder of their run.
TIMED = ("task.json", "training.json", "history.csv", "verification.json", "verification.md")


#: Stages that are interrupted.
STOPPED = {kind: direct[0] for kind, (_, _, direct) in CHANGES.items()}


@contextmanager
def watched(stop=None):
    """Yield the names of the stages that are run; `stop` is called before each file of theirs."""
    names = []
    run, replace = Engine._run, os.replace

    def count(engine, stage, key):
        names.append(stage.name)
        stop and stop(stage, None)
        with pytest.MonkeyPatch.context() as patch:
            if stop:
                patch.setattr(
                    os, "replace", lambda a, b, **o: (stop(stage, b), replace(a, b, **o))[1]
                )
            run(engine, stage, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_run", count)
        yield names


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("every_stage")
    for name, rows in {"data": 300, "more": 320}.items():
        random = np.random.default_rng(1)
        y = random.integers(0, 2, rows)
        x = random.normal(y[:, None], 1, (rows, 2))
        table = pa.table({"x0": x[:, 0], "x1": x[:, 1], "y": y})
        pq.write_table(table, place / f"{name}.parquet")
    (place / "export.py").write_text(EXPORT)
    linear = {"model": {"name": "linear_classifier"}}
    models = {"one": linear, "two": {**linear, "representation": {**TABLE, "features": ["x0"]}}}
    left_out = ("stages", "evaluation")
    other = {k: v for k, v in STUDY.items() if k not in left_out} | {"models": models}
    made = bunchtrain.run(study(place, other | {"name": "other"}), runs=place, jobs=1)
    made.folder.rename(place / "other_run")
    return place


def study(place, content=STUDY):
    """The study, with the files in a folder."""
    text = json.dumps({**content, "storage": {"folder": f"{place / 'cache'}"}})
    files = {"DATA": "data.parquet", "MORE": "more.parquet", "OTHER": "other_run"}
    for name, file in (files | {"EXPORT": "export.py"}).items():
        text = text.replace(f'"{name}', f'"{place / file}')
    return validate(json.loads(text))


@pytest.fixture(scope="module")
def whole(place):
    """The run without an interruption, and the number of files that each stage writes."""
    files = {}

    def count(stage, path):
        files[stage.name] = files.get(stage.name, -1) + 1

    with watched(count):
        return bunchtrain.run(study(place), runs=place / "runs", jobs=1), files


@pytest.fixture(scope="module")
def interrupted(place, whole):
    """A run, with no events prepared before, whose stages were interrupted, and where they were."""
    _, files = whole
    shutil.rmtree(place / "cache")
    happened, seen = {}, {}

    def stop(stage, path):
        if stage.name not in STOPPED.values():
            return
        seen[stage.name] = 0 if path is None else seen[stage.name] + 1
        is_record = path is not None and os.path.basename(path) == FILE
        where = "end" if is_record else "begin" if path is None else "middle"
        is_middle = where != "middle" or seen[stage.name] == max(1, files[stage.name] // 2)
        if is_middle and where not in happened.setdefault(stage.name, []):
            happened[stage.name].append(where)
            raise KeyboardInterrupt

    with watched(stop):
        with pytest.raises(InterruptedRun):
            bunchtrain.run(study(place), runs=place / "torn", jobs=1)
        folder = next((place / "torn" / "tiny").iterdir())
        for _ in range(3 * len(STOPPED)):
            try:
                return bunchtrain.resume(folder, jobs=1), happened
            except InterruptedRun:
                continue
    raise AssertionError(f"the run does not end: {happened}")


def of_kind(run, kind):
    """Names of the stages of a kind."""
    if kind == "workflow":
        return [name for name in read_record(run.folder) if name.startswith("search.")]
    return [name for name, one in read_record(run.folder).items() if one.kind == kind]


def with_descendants(run, names):
    """These stages and all that read their results, from the record."""
    record, found = read_record(run.folder), set(names)
    while more := {n for n, one in record.items() if found & set(one.inputs)} - found:
        found |= more
    return found


def changed(key, value):
    """The study with another value of an option."""
    new = copy.deepcopy(STUDY)
    *path, last = key.split(".")
    at = new
    for one in path:
        at = at[one]
    at[last] = value
    return new


def test_every_kind_has_a_case(whole):
    assert set(CHANGES) == {*get_args(Kind), "workflow"} == {*StageConfig.model_fields, "evaluate",
                                                             "report"}  # fmt: skip
    for kind in CHANGES:
        assert of_kind(whole[0], kind), kind


def test_a_stage_with_the_same_key_is_not_run(place, whole):
    with watched() as names:
        again = bunchtrain.run(study(place), runs=place / "runs", jobs=1)
    assert set(names) == ALWAYS
    assert again.metrics == whole[0].metrics
    with watched() as names:
        bunchtrain.resume(again.folder, jobs=1)
    assert set(names) == ALWAYS - {"exported"}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_option_runs_the_stage_and_its_descendants_alone(place, whole, kind):
    key, value, direct = CHANGES[kind]
    with watched() as names:
        bunchtrain.run(study(place, changed(key, value)), runs=place / "runs", jobs=1)
    assert set(names) == with_descendants(whole[0], direct) | ALWAYS


@pytest.mark.parametrize("kind", CHANGES)
def test_an_interrupted_stage_resumes_to_the_same_result(whole, interrupted, kind):
    run, happened = interrupted
    record, expected = read_record(run.folder), read_record(whole[0].folder)
    assert sorted(record) == sorted(expected)
    name = STOPPED[kind]
    assert {"begin", "end"} <= set(happened[name])
    assert ("middle" in happened[name]) == (whole[1][name] > 1)
    for one in of_kind(whole[0], kind):
        assert list(record[one].files) == list(expected[one].files)
        for file in expected[one].files:
            if file.rpartition("/")[2] not in TIMED:
                assert record[one].files[file] == expected[one].files[file], file
    assert run.metrics == whole[0].metrics
