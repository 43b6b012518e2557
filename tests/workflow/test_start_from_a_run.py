"""Runs that start from the trained models of another study."""

import copy
import html
import json
import shutil

import numpy as np
import pytest
import torch
from conftest import STUDY  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import InterruptedRun, StudyError
from bunchtrain.methods.tensor_files import read_tensors
from bunchtrain.study import validate
from bunchtrain.trained_files import load
from bunchtrain.workflow import trainings
from bunchtrain.workflow.check import check
from bunchtrain.workflow.graph.record import read_record
from bunchtrain.workflow.starts import find_trained

FROZEN = {"from": "tiny:flow", "freeze": ["backbone", "heads"]}


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """A folder of runs with a copy of the run of another study."""
    folder = tmp_path_factory.mktemp("start") / "runs"
    shutil.copytree(finished.folder, folder / "tiny" / "1")
    return folder


@pytest.fixture
def study(tiny_study):
    found = copy.deepcopy(tiny_study) | {"name": "tuned", "evaluation": ["classification"]}
    found["training"]["epochs"] = 2
    found["models"]["trees"]["training"] = {"from": "tiny:train.trees"}
    found["models"]["flow"]["training"] = FROZEN
    tuned = {"from": "tiny:flow", "freeze": "backbone", "unfreeze_after": 1}
    same = found["models"]["flow"]["model"]
    found["models"]["tuned"] = {"model": same, "training": tuned, "seeds": 2}
    return found


def test_a_study_starts_from_another_and_resumes_without_it(
    finished, runs, study, tmp_path, monkeypatch
):
    monkeypatch.chdir(runs.parent)
    whole = bunchtrain.run(validate(study), runs="runs", jobs=1)
    first, again = (load(run.files.model("flow")).network for run in (finished, whole))
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value) or value.isnan().all(), name
    one, other = (run.predictions.columns["flow_top"] for run in (finished, whole))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert load(whole.files.model("trees")).network.model.booster.num_boosted_rounds() == 40
    record = json.loads((whole.folder / "models/tuned/seed_2/training.json").read_text())["start"]
    assert (record["study"], record["model"], record["run"]) == ("tiny", "flow", "runs/tiny/1")
    assert record["version"] == bunchtrain.__version__
    report = html.unescape((whole.folder / "report.html").read_text())
    assert "Started from the model 'particle_flow_network' of runs/tiny/1" in report

    metrics, train = whole.metrics, trainings.train

    def stop_at_the_last(task, **options):
        if task.seed == 2:
            raise InterruptedRun("stopped")
        return train(task, **options)

    with monkeypatch.context() as stopping:
        stopping.setattr(trainings, "train", stop_at_the_last)
        with pytest.raises(InterruptedRun):
            bunchtrain.run(validate(study), runs="runs", jobs=1, again=["train.tuned"])
    (whole.folder / "stages.json").unlink()  # so that its results are not taken
    monkeypatch.chdir(tmp_path)
    (runs / "tiny").rename(runs.parent / "moved")
    try:
        halved = bunchtrain.resume(sorted((runs / "tuned").iterdir())[-1])
    finally:
        (runs.parent / "moved").rename(runs / "tiny")
    assert halved.metrics == metrics


def test_a_check_shows_how_many_parameters_are_trained(runs, study):
    study["models"]["flow"]["training"] = {"from": "tiny:flow", "freeze": "heads"}
    found = check(validate(study), runs)
    assert not found.problems
    cost = found.costs["flow"]
    assert cost.trained == cost.parameters - (16 * 2 + 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tinny", "training.from: 'tinny' has no run in .*; did you mean 'tiny'?"),
        ("other", "'other' has no run in .*: bunchtrain run other"),
        ("stopped", "no run of 'stopped' in .* is finished: bunchtrain run --resume .*/stopped/1"),
        ("{runs}/tiny", "is not the folder of a run: it has no study.yaml; did you mean .*tiny/1"),
        ("tiny", "has the models trees, flow; name one, as 'tiny:trees'"),
        ("{runs}/tiny/1:floww", "no trained model 'floww'; did you mean 'flow'?"),
        (
            "{file}",
            "is a file, not a trained model; give the folder of a run, STUDY or",
        ),
        ("tiny:trees", "trained model is 'boosted_trees', and the model here is 'particle_flow"),
    ],
)
def test_a_trained_model_that_is_not_there_is_one_sentence(runs, study, text, message):
    stopped = runs / "stopped" / "1"
    if not stopped.is_dir():
        shutil.copytree(runs / "tiny" / "1", stopped)
        (stopped / "status.json").write_text('{"state": "interrupted"}')
        shutil.rmtree(stopped / "models")
    study["models"] = {}
    study["model"] = {"name": "particle_flow_network", "phi": [16], "f": [16]}
    study["training"]["from"] = text.format(runs=runs, file=runs / "tiny/1/predictions.parquet")
    with pytest.raises(StudyError, match=message):
        bunchtrain.run(validate(study), runs=runs)


def test_the_folder_of_a_training_and_of_a_stage(runs, finished, tmp_path):
    folder, origin = find_trained(str(runs / "tiny/1/models/flow"), tmp_path, "training.from")
    assert origin == {"run": str(folder)}
    stage = runs / "tiny" / "1" / "stages" / "density" / "model"
    shutil.copytree(folder, stage)
    assert find_trained("tiny:density", runs, "training.from")[0] == stage


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"freeze": "backbone"}, "training: 'freeze' needs 'from'"),
        ({"from": "tiny", "unfreeze_after": 2}, "'unfreeze_after' needs 'freeze'"),
        ({"from": "tiny", "freeze": []}, "must be a list of 1 or more items"),
        ({"form": "tiny"}, "unknown key 'form'; did you mean 'from'"),
    ],
)
def test_keys_that_need_others(study, training, message):
    with pytest.raises(StudyError, match=message):
        validate(study | {"training": training})


def stages(place, first=None, **training):
    tuned = {"from": "first", "freeze": ["backbone", "heads"], **training}
    return {
        "name": "in_turn",
        **{key: STUDY[key] for key in ("source", "targets", "split")},
        "representation": {"name": "table", "features": ["jet_mass", "jet_pt"]},
        "model": {"name": "dense_network", "widths": [4]},
        "training": {"epochs": 1, "batch_size": 200, "threads": 1},
        "models": {"dense": {}, "trees": {"model": {"name": "boosted_trees", "trees": 5}}},
        "stages": {
            "first": first or {"train": {"of": "prepare"}},
            "tuned": {"train": {"of": "prepare", "training": tuned}},
        },
        "storage": {"folder": str(place / "cache")},
    }


def test_a_stage_starts_from_another_one(tmp_path):
    def train(first=None, only="tuned", **training):
        study = validate(stages(tmp_path, first, **training))
        return bunchtrain.run(study, runs=tmp_path, only=[only], jobs=1).folder

    def weights(folder, place):
        return read_tensors(folder / place / "weights.safetensors")

    def are_equal(one, other):
        return all(torch.equal(one[n], other[n]) or one[n].isnan().all() for n in one)

    first, tuned = "stages/first/model", "stages/tuned/model"
    run = train()
    assert are_equal(weights(run, tuned), weights(run, first))
    about = json.loads((run / tuned / "training.json").read_text())["start"]
    assert (about["run"], about["model"]) == ("stage 'first'", "first")
    unfrozen = train(freeze="backbone")
    assert read_record(unfrozen)["first"].reused_from
    assert not are_equal(weights(unfrozen, tuned), weights(unfrozen, first))
    changed = train({"train": {"of": "prepare", "training": {"epochs": 2}}})
    assert not any(read_record(changed)[name].reused_from for name in ("first", "tuned"))
    assert are_equal(weights(changed, tuned), weights(changed, first))
    assert not are_equal(weights(changed, tuned), weights(run, tuned))
    assert read_record(train())["tuned"].reused_from
    other = train(only="train.dense")
    for name in (other, "in_turn"):  # a stopped run that has finished the stage
        copied = train({"trained": f"{name}:train.dense"})
        assert are_equal(weights(copied, tuned), weights(other, "models/dense"))
    assert find_trained("in_turn:dense", tmp_path, "training.from")[0] == other / "models/dense"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"from": "tiny:flow"}, "not from 'tiny:flow'; add one, such as 'first: {trained: STUDY"),
        ({"from": "frist"}, "tuned.train.training.from: there is no stage 'frist'; did you mean"),
        ({"from": "prepare"}, "training.from: needs a stage with a trained model"),
        ({"from": "tuned"}, "is a circle"),
        ({"from": "train.trees"}, "'train.trees' trains the model 'boosted_trees', and the stage"),
    ],
)
def test_a_stage_that_cannot_start_says_why(tmp_path, training, message):
    with pytest.raises(StudyError, match=message):
        bunchtrain.run(validate(stages(tmp_path, **training)), runs=tmp_path)
