"""Stages of the key `stages`: each kind is made once, again only if it or its inputs change."""

import copy
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import DataError, ExportError, InterruptedRun, StudyError
from bunchtrain.study import validate
from bunchtrain.workflow import run_study
from bunchtrain.workflow.check import check
from bunchtrain.workflow.folder import RunFolder, dump
from bunchtrain.workflow.graph.kinds import train

TABLE = {"name": "table", "features": ["x0", "x1"]}
#: Stage → change of an option, and the stages that are made again.
CHANGES = {
    "density": (["train", "method", "components"], 3),
    "samples": (["generate", "seed"], 9),
    "both": (["train", "training", "select"], "x0 > -2"),
    "drawn": (["transform", "seed"], 5),
}
AFTER = {
    "density": {"density", "samples", "mixed", "both", "scores", "drawn"},
    "samples": {"samples", "mixed", "both", "scores", "drawn"},
    "both": {"both", "scores"},
    "drawn": {"drawn"},
}


def content(folder):
    """A study whose stages are of all kinds that need no other study."""
    stages = {
        "density": {"train": {"representation": TABLE, "training": {"select": "y == 0"},
                              "method": {"name": "gaussian_mixture", "components": 2}}},
        "samples": {"generate": {"of": "density", "rows": 200, "seed": 3, "columns": {"m": 0}}},
        "drawn": {"transform": {"name": "resample", "of": "samples", "rows": 50, "seed": 4}},
        "mixed": {"prepare": {"of": ["source", "samples"], "spectators": [],
                              "targets": {"o": {"classes": {"made": "origin == 1",
                                                            "data": "origin == 0"}}}}},
        "both": {"train": {"of": "mixed"}},
        "scores": {"predict": {"of": "both"}},
        "scored": {"predict": {"of": ["both", "train"], "on": "source"}},
    }  # fmt: skip
    return {
        "name": "tiny",
        "source": {"name": "files", "files": str(folder / "data.parquet")},
        "targets": {"c": {"classes": {"b": "y == 0", "s": "y == 1"}}},
        "representation": TABLE,
        "model": "linear_classifier",
        "evaluation": [{"name": "training_curves", "of": "scores"}],
        "stages": stages,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 300)
    x = random.normal(y[:, None], 1, (300, 2))
    pq.write_table(pa.table({"x0": x[:, 0], "x1": x[:, 1], "y": y}), folder / "data.parquet")
    bunchtrain.run(validate(content(folder)), runs=folder / "runs")
    return folder


def records(run):
    return json.loads((run.folder / "stages.json").read_text())["stages"]


def made(run):
    """Stages of the study that a run has made itself."""
    own = run.study.stages
    return {n for n, one in records(run).items() if n in own and not one["reused_from"]}


def set_option(study, stage, path, value):
    changed = copy.deepcopy(study)
    at = changed["stages"][stage]
    for key in path[:-1]:
        at = at.setdefault(key, {})
    at[path[-1]] = value
    return changed


def test_the_same_study_runs_no_stage_again(place):
    run = bunchtrain.run(validate(content(place)), runs=place / "runs")
    assert made(run) == set()


def test_the_report_says_of_which_stage_an_evaluation_is(place):
    given = [{"name": "classification", "of": "scores"}, "classification"]
    run = bunchtrain.run(validate(content(place) | {"evaluation": given}), runs=place / "runs")
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    common, of_stage = text.split("<h2>Stage scores</h2>")
    caption = "Background rejection against signal efficiency"
    assert f">{caption}" in common
    assert f">scores: {caption}" not in common
    assert f">scores: {caption}" in of_stage
    assert f">{caption}" not in of_stage
    assert ">scores, both: True against predicted class." in of_stage


def test_a_definition_that_stages_alone_use_is_not_reported(place, capsys):
    study = set_option(
        content(place), "density", ["train", "representation"], TABLE | {"features": ["twice"]}
    )
    study["define"] = {"twice": "2 * x0"}
    bunchtrain.run(validate(study), runs=place / "defined", only=["density", "train"])
    said = capsys.readouterr().err
    assert "stage density" in said
    assert "nothing uses" not in said


@pytest.mark.parametrize("stage", AFTER)
def test_a_changed_option_runs_its_descendants_alone(place, stage):
    study = set_option(content(place), stage, *CHANGES[stage])
    run = bunchtrain.run(validate(study), runs=place / "runs")
    assert made(run) - {"scored"} == AFTER[stage]
    assert ("scored" in made(run)) == ("both" in AFTER[stage])


def test_tables_have_the_columns_of_their_inputs_and_the_scores(place):
    run = bunchtrain.run(validate(content(place)), runs=place / "runs").folder
    scored = pq.read_table(run / "stages" / "scored" / "table.parquet")
    assert {"x0", "x1", "y", "both_data", "linear_classifier_s"} <= set(scored.column_names)
    assert scored["y"].to_pylist() == pq.read_table(place / "data.parquet")["y"].to_pylist()
    samples = pq.read_table(run / "stages" / "samples" / "table.parquet")
    assert samples.num_rows == 200
    assert set(samples["m"].to_pylist()) == {0}
    counts = json.loads((run / "stages" / "mixed" / "data.json").read_text())
    assert sum(counts["rows"].values()) == 500
    assert pq.read_table(run / "stages" / "drawn" / "table.parquet").num_rows == 50


def test_an_interrupted_stage_is_resumed_to_the_same_result(place, monkeypatch):
    study, real = validate(content(place)), train.train_model

    def stop(folder, *given, **options):
        if folder.path.name == "both":
            raise InterruptedRun("stopped")
        real(folder, *given, **options)

    monkeypatch.setattr(train, "train_model", stop)
    with pytest.raises(InterruptedRun, match="--resume"):
        bunchtrain.run(study, runs=place / "other")
    monkeypatch.undo()
    folder = next((place / "other" / "tiny").iterdir())
    assert "both" not in json.loads((folder / "stages.json").read_text())["stages"]
    bunchtrain.resume(folder)
    whole = bunchtrain.run(study, runs=place / "runs").folder
    for name in ("samples", "drawn", "scores", "scored"):
        path = f"stages/{name}/table.parquet"
        assert pq.read_table(folder / path).equals(pq.read_table(whole / path)), name


def test_a_stage_of_another_study_is_an_input(place):
    study = {
        **content(place),
        "name": "second",
        "source": "scored",
        "representation": {"name": "table", "features": ["x0", "first_s"]},
        "stages": {
            "data": {"source": content(place)["source"]},
            "first": {"trained": "tiny:train"},
            "scored": {"predict": {"of": "first", "on": "data"}},
            "again": {"predict": {"of": ["first", "train"], "on": "prepare"}},
        },
        "evaluation": [{"name": "classification", "of": "again"}],
    }
    run = bunchtrain.run(validate(study), runs=place / "runs")
    first = run.metrics["first"]["auc"]["value"]
    assert run.metrics["linear_classifier"]["auc"]["value"] == pytest.approx(first, abs=0.1)
    record = records(bunchtrain.run(validate(study), runs=place / "runs"))
    again = {name for name, one in record.items() if not one["reused_from"]}
    assert again == {"data", "source", "prepare", "report"}
    for given, text in {
        "tinny:train": "no study or run folder 'tinny'; did you mean 'tiny'",
        "tiny:trian": "has no stage 'trian'; did you mean 'train'",
        "top_tagging:train": "no finished run in .*: bunchtrain run top_tagging",
    }.items():
        wrong = {**study, "stages": {**study["stages"], "first": {"trained": given}}}
        with pytest.raises(StudyError, match=text):
            bunchtrain.run(validate(wrong), runs=place / "runs")


def test_models_of_stages_are_exported_and_verified(place):
    study = content(place)
    for name, of in {"own": "both", "first": "train"}.items():
        study["stages"] = {**study["stages"], name: {"export": {"name": "onnx", "of": of}}}
    run = bunchtrain.run(validate(study), runs=place / "runs", only=["own", "first"])
    for name in ("own", "first"):
        assert (run.folder / "stages" / name / "model.onnx").is_file()
        proof = json.loads((run.folder / "stages" / name / "verification.json").read_text())
        assert proof["holds"]
        assert proof["provenance"]["run"] == run.folder.name
    assert made(run) == {"own", "first"}
    study["stages"]["own"] = {"export": {"name": "cpp", "of": "density"}}
    with pytest.raises((StudyError, ExportError), match=r"stages\.own: "):
        bunchtrain.run(validate(study), runs=place / "wrong")
    study["stages"]["own"] = {"export": {"name": "onnx", "of": "old"}}
    study["stages"]["old"] = {"trained": "tiny:train"}
    with pytest.raises(StudyError, match="is of another study"):
        bunchtrain.run(validate(study), runs=place / "wrong")


def test_the_graph_is_checked_without_a_run(place):
    found = {one.name: one for one in check(validate(content(place)), place / "runs").stages}
    assert found["both"].inputs == ["mixed"]
    assert found["both"].cached_in
    assert found["mixed"].events["train"] > 0
    assert sum(found["prepare"].events.values()) == 300
    assert found["prepare"].cached_in
    assert found["samples"].depth == found["density"].depth + 1
    changed = validate(set_option(content(place), "samples", *CHANGES["samples"]))
    changed.select = "x0 > -9"  # other events than those of the cache
    left = {one.name for one in check(changed, place / "none").stages if one.cached_in}
    assert left == set()


def test_a_key_set_to_null_stays_null_in_the_folder_of_a_run(place):
    study = {**content(place), "select": "y < 2"}
    study = set_option(study, "mixed", ["prepare", "select"], None)
    folder = RunFolder.create(validate(study), place / "null")
    prepare = folder.study().stages["mixed"].prepare
    assert "select" in prepare.model_fields_set
    assert "select" not in validate(content(place)).stages["mixed"].prepare.model_fields_set
    assert "select: null" in dump(validate(study))


def test_a_workflow_stands_for_its_stages(place):
    options = {"features": ["x1"], "mass": "x0", "region": "x0 > 0 and x0 < 1", "rows": 80}
    flow = {"name": "normalizing_flow", "transforms": 1, "flow": "spline_autoregressive"}
    trees = {"name": "boosted_trees", "trees": 3}
    options |= {"density": flow, "classifier": trees, "training": {"epochs": 1}}
    study = {k: v for k, v in content(place).items() if k not in ("model", "evaluation", "targets")}
    study["stages"] = {"search": {"workflow": {"name": "density_then_classifier", **options}}}
    run = bunchtrain.run(validate(study), runs=place / "flow")
    rows = pq.read_table(place / "data.parquet").to_pandas()
    scores = pq.read_table(run.folder / "stages" / "search.scores" / "table.parquet")
    assert scores.num_rows == int(((rows["x0"] > 0) & (rows["x0"] < 1)).sum())
    assert all(0 <= one <= 1 for one in scores["search.classifier_data"].to_pylist())
    samples = pq.read_table(run.folder / "stages" / "search.samples" / "table.parquet").to_pandas()
    assert samples["x0"].between(0, 1).all()
    assert len(samples) == 80
    study["stages"]["search.scores"] = {"source": content(place)["source"]}
    with pytest.raises(StudyError, match="another stage has the same name"):
        validate(study)


WRONG = {
    "a stage has one kind": ("x", {"train": {}, "prepare": {}}),
    "unknown key 'prepar'; did you mean 'prepare'": ("x", {"prepar": {}}),
    "there is no stage 'mixd'; did you mean 'mixed'": ("x", {"train": {"of": "mixd"}}),
    "needs a stage with prepared events.* 'source' gives a table": (
        "x", {"train": {"of": "source"}}),
    "needs a stage with a trained model.* 'samples' gives a table": (
        "x", {"predict": {"of": "samples"}}),
    "'windows' is a key of the study": ("windows", {"train": {}}),
    "'prepare' is the name of a stage that every study has": ("prepare", {"train": {}}),
    "unknown key 'epoch'; did you mean 'epochs'": ("x", {"train": {"training": {"epoch": 1}}}),
    "stages.x.train: .*no model named 'linear_clasifier'": (
        "x", {"train": {"model": "linear_clasifier"}}),
    "→ density.* is a circle": (
        "density", {"train": {"of": "mixed", "method": "gaussian_mixture"}}),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_stage_is_refused_in_a_sentence(tmp_path, text):
    name, stage = WRONG[text]
    study = content(tmp_path)
    study["stages"] = {**study["stages"], name: stage}
    with pytest.raises(StudyError, match=text) as problem:
        validate(study)
    assert len(str(problem.value)) <= 400


@pytest.mark.parametrize(
    ("name", "stage", "text"),
    [
        ("x", {"generate": {"of": "density", "rows": 5, "condition": {"e": "uniform(2)"}}},
         "condition.e: give a number or 'uniform"),
        ("x", {"predict": {"of": ["both", "train"]}}, "is trained on 'mixed' and"),
        ("x", {"prepare": {"of": "samples"}}, "no stage uses these events"),
        ("x", {"transform": {"name": "resample", "of": ["source", "samples"]}}, "reads 1 tables"),
    ],
)  # fmt: skip
def test_a_stage_that_cannot_be_made_is_refused_before_work(place, name, stage, text):
    study = content(place)
    study["stages"] = {**study["stages"], name: stage}
    with pytest.raises(StudyError, match=text):
        bunchtrain.run(validate(study), runs=place / "wrong")
    assert not (place / "wrong").exists()


def test_trainings_of_stages_run_at_the_same_time_with_equal_results(place, monkeypatch):
    study = content(place)
    study["training"] = {"threads": 1}
    study["stages"] = {
        "events": {"prepare": {"of": "source", "spectators": []}},
        "one": {"train": {"of": "events", "model": "linear_classifier"}},
        "others": {"prepare": {"of": "source", "select": "x0 > -1"}},
        "two": {"train": {"of": "others", "model": {"name": "boosted_trees", "trees": 2}}},
        "both": {"predict": {"of": ["one", "two"], "on": "source"}},
    }
    study |= {"name": "together", "evaluation": []}
    del study["model"]
    inline = bunchtrain.run(validate(study), runs=place / "inline")
    study["executor"] = {"name": "processes", "workers": 2}
    together, real = [], run_study.run_concurrently

    def record(folder, study, stages, executor):
        together.append(([one.name for one in stages], executor.workers))
        return real(folder, study, stages, executor)

    monkeypatch.setattr(run_study, "run_concurrently", record)
    run = bunchtrain.run(validate(study), runs=place / "spread")
    assert together == [(["one", "two"], 2)]
    tables = [one.folder / "stages" / "both" / "table.parquet" for one in (inline, run)]
    assert pq.read_table(tables[0]).equals(pq.read_table(tables[1]))
    assert made(bunchtrain.run(validate(study), runs=place / "spread")) == set()
    study["stages"]["one"] = {"train": {"of": "events", "training": {"select": "x0 > 99"},
                                        "model": "linear_classifier"}}  # fmt: skip
    with pytest.raises(DataError, match="stage 'one': "):
        bunchtrain.run(validate(study), runs=place / "spread", jobs=1)
