"""One small table from end to end: several seeds, several networks at once, ensembles."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import SAMPLE, STUDY  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import InterruptedRun, StudyError, UserError
from bunchtrain.statistics.metrics import auc, roc
from bunchtrain.study import select_models, validate
from bunchtrain.workflow import concurrent_trainings
from bunchtrain.workflow.concurrent_trainings import max_concurrent_trainings
from bunchtrain.workflow.graph.record import read_record
from bunchtrain.workflow.stage_process import main as run_stages

TABLE = {"representation": {"name": "table", "features": ["jet_mass", "multiplicity"]}}
DENSE = {"model": {"name": "dense_network", "widths": [8]}, **TABLE, "seeds": 2}
STUDY_OF_THREE = {
    **{key: value for key, value in STUDY.items() if key != "representation"},
    "training": {"epochs": 2, "batch_size": 64, "threads": 1},
    "models": {
        "trees": {**TABLE, "model": {"name": "boosted_trees", "trees": 10}},
        "dense": DENSE,
        "short": {**DENSE, "seeds": 1, "training": {"events": 200}, "note": "On 200 jets."},
    },
    "ensembles": {"goat": {}, "trained": {"by": "trained", "of": ["trees", "dense"]}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("three")
    (place / "three.yaml").write_text(yaml.safe_dump(STUDY_OF_THREE, sort_keys=False))
    return place


@pytest.fixture(scope="module")
def table(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return bunchtrain.run(folder / "three.yaml", runs=folder / "runs", jobs=1)


def test_all_rows_are_in_figures_report_and_file(table):
    assert list(table.metrics) == ["trees", "dense", "short", "goat", "trained"]
    page = table.files.report_file.read_text()
    for text in ("On 200 jets.", "seeds ±", "Improvement of ensembles", "Rank correlation", "goat"):
        assert text in page
    assert table.json("models/short/training.json")["events"] == 200
    assert [row.name for row in table.table.rows] == list(table.metrics)
    assert len(bunchtrain.compare([table]).models) == 5


def test_figures_of_two_seeds_are_the_mean_of_both(table):
    columns = pq.read_table(table.files.predictions_file)
    truth = columns["jet"].to_numpy() == 1
    first, second = (columns[f"{name}_top"].to_numpy() for name in ("dense", "dense_seed_2"))
    assert not np.array_equal(first, second)
    right = [((score > 0.5) == truth).mean() for score in (first, second)]
    figure = table.metrics["dense"]["accuracy"]
    assert figure["value"] == pytest.approx(np.mean(right))
    assert figure["seed_std"] == pytest.approx(np.std(right, ddof=1))
    assert "seed_std" not in table.metrics["trees"]["accuracy"]


def test_the_ensemble_is_the_mean_of_the_first_trainings(table):
    columns = pq.read_table(table.files.predictions_file)
    scores = [columns[f"{name}_top"].to_numpy() for name in ("trees", "dense", "short")]
    np.testing.assert_allclose(columns["goat_top"].to_numpy(), np.mean(scores, axis=0), atol=1e-6)


def test_the_improvement_is_over_the_best_model(table):
    columns = pq.read_table(table.files.predictions_file)
    truth = columns["jet"].to_numpy() == 1

    def area(name):
        return auc(roc(columns[f"{name}_top"].to_numpy().astype(float), truth)).value

    found = table.json("evaluations/ensemble_improvement/results.json")["details"]["goat"]["auc"]
    best = max(("trees", "dense", "short"), key=area)
    assert found["best"] == best
    assert found["value"] == pytest.approx(area("goat") - area(best), abs=1e-5)
    assert 0 < found["error"] < 0.05


def test_a_trained_ensemble_saw_the_validation_set_alone_and_scores_files(table, tmp_path):
    members = table.folder / "models"
    seen = set(pq.read_table(members / "trees" / "validation.parquet")["entry"].to_pylist())
    tested = pq.read_table(table.files.predictions_file)
    assert seen
    assert not seen & set(tested["entry"].to_pylist())
    table.predict(str(SAMPLE), tmp_path / "scores.parquet")
    scores = pq.read_table(tmp_path / "scores.parquet")["trained_top"].to_numpy()
    entries = tested["entry"].to_numpy()
    np.testing.assert_allclose(scores[entries], tested["trained_top"].to_numpy(), atol=1e-5)


def test_two_at_once_give_the_scores_of_one_by_one(table, tmp_path):
    folder = bunchtrain.run(table.study, runs=tmp_path, jobs=2).files
    assert all(not one.reused_from for one in read_record(folder.path).values())
    assert {"train.dense", "train.dense_seed_2"} < {*read_record(folder.path)}
    for file in ("trees/test", "dense/test", "dense/seed_2/test", "dense/validation"):
        ours, theirs = (
            pq.read_table(one.path / "models" / f"{file}.parquet") for one in (folder, table.files)
        )
        assert ours.equals(theirs)


def test_finished_seeds_are_not_trained_again(table, folder, monkeypatch):
    epochs = []

    def stop(module):
        epochs.append(module.seed)
        if len(epochs) == 4:  # in the second epoch of the second seed of `dense`
            raise KeyboardInterrupt

    monkeypatch.setattr("bunchtrain.training.module.Module.on_train_epoch_start", stop)
    with pytest.raises(InterruptedRun) as caught:
        bunchtrain.run(folder / "three.yaml", runs=folder / "stopped", jobs=1)
    del epochs[:]
    monkeypatch.setattr(
        "bunchtrain.workflow.graph.default_graph.evaluate_or_leave_out", lambda *_: None
    )
    monkeypatch.setattr(
        "bunchtrain.training.module.Module.on_train_epoch_start",
        lambda module: epochs.append(module.seed),
    )
    bunchtrain.resume(str(caught.value).rsplit(" ", 1)[-1], jobs=1)
    assert epochs == [2, 1, 1]  # the second epoch of seed 2, then `short`


def test_another_seed_trains_it_alone(table, folder, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        "bunchtrain.training.module.Module.on_train_epoch_start",
        lambda module: seeds.append(module.seed),
    )
    study = folder / "three.yaml"
    only = ["train.dense"]
    run = bunchtrain.run(study, "models.dense.seeds=3", runs=folder / "runs", only=only, jobs=1)
    assert seeds == [3, 3]
    record = read_record(run.folder)
    assert [n for n, one in record.items() if one.kind == "train" and one.reused_from] == [
        "train.dense",
        "train.dense_seed_2",
    ]


def test_a_failed_member_leaves_the_others_finished_and_is_named(tmp_path):
    path = tmp_path / "bad.yaml"
    members = {**STUDY_OF_THREE["models"]}
    members["short"] = {
        **members["short"],
        "model": {"name": "dense_network", "widths": [8] * 4, "activation": "leaky_relu"},
        "training": {"learning_rate": 1000, "optimiser": "sgd", "events": 200},  # diverges
    }
    path.write_text(yaml.safe_dump({**STUDY_OF_THREE, "models": members, "ensembles": {}}))
    with pytest.raises(UserError, match=r"model 'short': .*training\.learning_rate"):
        bunchtrain.run(path, "seeds=1", runs=tmp_path / "runs", only=["short", "trees"], jobs=1)
    (run,) = (tmp_path / "runs").glob("*/*")
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
    assert (run / "models" / "trees" / "network.json").is_file()
    assert run_stages(str(run), str(tmp_path), "train.short") == 2
    assert "learning_rate" in (tmp_path / "failure.json").read_text()  # written by its process


def test_ctrl_c_ends_all_members_and_resume_goes_on(tmp_path):
    path = tmp_path / "long.yaml"
    changes = {"training": {"epochs": 500, "batch_size": 32, "threads": 1}, "ensembles": {}}
    members = {name: {**DENSE, "seeds": 1} for name in ("one", "two")}
    path.write_text(yaml.safe_dump({**STUDY_OF_THREE, **changes, "models": members}))
    process = subprocess.Popen(
        [sys.executable, "-m", "bunchtrain", "run", str(path), "--jobs", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.time() + 200
    while len(list(tmp_path.glob("runs/*/*/models/*/checkpoint.safetensors"))) < 2:
        assert time.time() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "bunchtrain run --resume" in said
    for summary in tmp_path.glob("runs/*/*/models/*/training.json"):
        assert json.loads(summary.read_text())["status"] == "interrupted"


@pytest.mark.parametrize(
    ("ensembles", "message"),
    [
        ({"goat": {"of": ["tree", "dense"]}}, "no model 'tree'; did you mean 'trees'"),
        ({"goat": {"of": ["trees"]}}, "two or more different models"),
        ({"goat": {"of": ["trees", "trees"]}}, "two or more different models"),
        ({"trees": {}}, "models: two models, ensembles .* would have the name 'trees'"),
        ({"goat": {"by": "median"}}, "ensembles.goat.by"),
    ],
)
def test_ensembles_that_cannot_be_are_refused(ensembles, message):
    with pytest.raises(StudyError, match=message):
        validate({**STUDY_OF_THREE, "ensembles": ensembles})


def test_ensembles_follow_the_members_that_are_chosen():
    study = validate(STUDY_OF_THREE)
    assert list(select_models(study, ["trees", "short"]).ensembles) == ["goat"]
    assert list(select_models(study, ["trees", "dense"]).ensembles) == ["goat", "trained"]
    assert not select_models(study, ["trees"]).ensembles


def test_as_many_at_once_as_cores_and_memory_allow(monkeypatch):
    study = validate(STUDY_OF_THREE)
    monkeypatch.setattr(concurrent_trainings, "cores", lambda: 16)
    monkeypatch.setattr(concurrent_trainings, "available_memory", lambda: 10**12)
    assert max_concurrent_trainings(study) == 4  # trees, two seeds of dense, short
    monkeypatch.setattr(concurrent_trainings, "cores", lambda: 2)
    assert max_concurrent_trainings(study) == 2
    monkeypatch.setattr(concurrent_trainings, "available_memory", lambda: 5 * 10**9)
    assert max_concurrent_trainings(study) == 1
    monkeypatch.setattr(concurrent_trainings, "available_memory", lambda: 10**12)
    unset = {**STUDY_OF_THREE, "training": {"epochs": 1}}
    assert max_concurrent_trainings(validate(unset)) == 1
