"""A run as a graph of stages: what is run, what is taken from earlier runs, and in which order."""

import pytest
import yaml
from conftest import STUDY  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import BunchtrainError, RunError, StudyError
from bunchtrain.study import load
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.engine import Engine
from bunchtrain.workflow.graph.record import FILE, StageRecord, read_record
from bunchtrain.workflow.graph.stage import Stage, ancestors, descendants, sort_stages
from bunchtrain.workflow.stage_process import run_in_this_process

TABLE = {"name": "table", "features": ["jet_mass", "multiplicity"]}
TREES = {"representation": TABLE, "model": {"name": "boosted_trees", "trees": 5}}
TWO = {
    **{key: value for key, value in STUDY.items() if key != "representation"},
    "training": {"threads": 1},
    "models": {"few": TREES, "many": {**TREES, "model": {"name": "boosted_trees", "trees": 8}}},
}
CLASSIFICATION = {"evaluate.classification"}
PROFILE = {"evaluate.efficiency_profile"}
OF_RUN = {"evaluate.input_distributions", "evaluate.training_curves"}
OF_MODELS = {"evaluate.feature_importance", "evaluate.firmware_resources"}
EVALUATIONS = CLASSIFICATION | PROFILE | OF_RUN | OF_MODELS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("stages")
    (place / "two.yaml").write_text(yaml.safe_dump(TWO, sort_keys=False))
    return place


@pytest.fixture(scope="module")
def first(place, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return bunchtrain.run(place / "two.yaml", runs=place / "runs")


def computed(run):
    """Cached stages that a run has computed itself."""
    record = read_record(run.folder)
    always = {"source", "prepare", "report"}
    return {name for name, one in record.items() if not one.reused_from} - always


def test_the_record_has_every_stage_with_its_files(first):
    record = read_record(first.folder)
    assert [*record][:2] == ["source", "prepare"]
    assert {"train.few", "train.many"} <= set(record)
    assert all(one.state == "finished" for one in record.values())
    assert "models/few/network.json" in record["train.few"].files
    assert list(record["predictions"].files) == ["predictions.parquet"]
    assert record["train.few"].seconds > 0
    assert computed(first) >= {"train.few", "train.many", "predictions"} | EVALUATIONS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("title=Another storage.memory=1000000000 training.threads=2", set()),
        ("models.few.model.trees=6", {"train.few", "predict.few", "predictions"} | EVALUATIONS),
        ("spectators=[jet_pt,jet_mass,jet_eta]", {"*"}),  # the events have another column
        ('evaluation=[{"name":"classification","mistags":[0.1]}]', CLASSIFICATION),
    ],
)
def test_a_changed_option_runs_only_what_depends_on_it(first, place, change, expected):
    run = bunchtrain.run(place / "two.yaml", *change.split(), runs=place / "runs")
    cached = set(read_record(run.folder)) - {"source", "prepare", "report"}
    assert computed(run) == (cached if expected == {"*"} else expected)
    if expected == set():
        assert run.metrics == first.metrics


def test_stages_can_be_run_again_and_nothing_may_be_reused(first, place):
    study = load(place / "two.yaml")
    again = bunchtrain.run(study, runs=place / "runs", again=["predict.few"])
    assert computed(again) == {"predict.few", "predictions"} | EVALUATIONS
    assert again.metrics == first.metrics
    fresh = bunchtrain.run(study, runs=place / "runs", reuse=False)
    assert computed(fresh) == computed(first)
    assert fresh.metrics == first.metrics


def test_only_a_stage_and_what_it_needs_and_then_the_rest(first, place, tmp_path):
    part = bunchtrain.run(place / "two.yaml", runs=tmp_path, only=["predict.many"])
    assert list(read_record(part.folder)) == ["source", "prepare", "train.many", "predict.many"]
    assert part.files.state == "interrupted"
    whole = bunchtrain.resume(part.folder)
    assert whole.metrics == first.metrics
    run_in_this_process(whole.folder, ["predict.few"])
    with pytest.raises(RunError, match=r"no stage 'predict\.fw'; did you mean 'predict\.few'"):
        run_in_this_process(whole.folder, ["predict.fw"])


def test_a_stage_without_its_inputs_is_refused(first, place, tmp_path):
    part = bunchtrain.run(place / "two.yaml", runs=tmp_path, only=["prepare"])
    with pytest.raises(RunError, match=r"'predict\.few' needs 'train.few', which is not"):
        run_in_this_process(part.folder, ["predict.few"])


def test_unknown_stages_are_named_with_the_nearest(place):
    for given, text in {
        "predict.fw": "no model or stage 'predict.fw'; did you mean 'predict.few'",
        "reprot": "no model or stage 'reprot'; did you mean 'report'",
        "few,report": "'few' is a model and 'report' a stage",
    }.items():
        with pytest.raises(StudyError, match=text):
            bunchtrain.run(place / "two.yaml", runs=place / "runs", only=given.split(","))
    for given in ({"only": ["train.fev"]}, {"again": ["train.fev"]}):
        with pytest.raises(StudyError, match=r"train\.fev|train.few"):
            bunchtrain.run(place / "two.yaml", runs=place / "runs", **given)


def test_an_edited_result_is_not_reused(first, place, tmp_path):
    run = bunchtrain.run(place / "two.yaml", runs=tmp_path)
    file = run.folder / "models" / "few" / "network.json"
    file.write_text(file.read_text() + " ")
    second = bunchtrain.run(place / "two.yaml", runs=tmp_path)
    assert "train.few" in computed(second)
    assert "train.many" not in computed(second)
    (run.folder / FILE).write_text("{")  # a damaged record is none to take results from
    (second.folder / FILE).write_text("{")
    third = bunchtrain.run(place / "two.yaml", runs=tmp_path, only=["train.many"])
    assert computed(third) == {"train.many"}


def stage(name, inputs=(), run=lambda context: None, **options):
    return Stage(name, "transform", run, tuple(inputs), **options)


def graph(**inputs):
    return {name: stage(name, given.split()) for name, given in inputs.items()}


def test_stages_come_after_their_inputs_and_circles_are_named():
    chosen = graph(d="b c", a="", b="a", c="a b")
    assert [one.name for one in sort_stages(chosen)] == ["a", "b", "c", "d"]
    assert ancestors(chosen, ["b"]) == {"a", "b"}
    assert descendants(chosen, ["b"]) == {"b", "c", "d"}
    with pytest.raises(StudyError, match="a → b → c → a is a circle"):
        sort_stages(graph(a="b", b="c", c="a"))
    with pytest.raises(StudyError, match=r"stages\.a: there is no stage 'x'"):
        sort_stages(graph(a="x"))


def test_a_key_follows_from_options_version_and_inputs():
    first = stage("a", options={"x": 1, "y": [1, 2]})
    assert first.key(["k"]) == stage("a", options=lambda: {"y": (1, 2), "x": 1}).key(["k"])
    others = [first.key([]), first.key(["l"]), stage("a", options={"x": 2}).key(["k"])]
    others += [stage("a", options={"x": 1, "y": [1, 2]}, version="2").key(["k"])]
    assert first.key(["k"]) not in others
    assert len(set(others)) == 4


def test_a_failure_outside_the_process_leaves_the_others_finished(first, tmp_path):
    done = []

    def fail(context):
        raise BunchtrainError("it is broken")

    chosen = {
        "bad": stage("bad", run=fail, in_process=False),
        "after": stage("after", ["bad"], run=lambda context: done.append("after")),
        "other": stage("other", run=lambda context: done.append("other")),
    }
    engine = Engine(chosen, RunFolder(tmp_path), first.study)
    with pytest.raises(BunchtrainError, match="stage 'bad': it is broken"):
        engine.run()
    assert done == ["other"]
    record = read_record(tmp_path)
    assert record["bad"] == StageRecord(
        key=record["bad"].key, kind="transform", state="failed", why="it is broken",
        seconds=record["bad"].seconds,
    )  # fmt: skip
