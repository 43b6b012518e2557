"""Stages that are repeated: toys, folds, seeds and values of options; p-values from toys."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import InThisProcess  # type: ignore[import-not-found]

from bunchtrain.errors import DataError, StudyError
from bunchtrain.study import validate
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.build import build_graph
from bunchtrain.workflow.graph.kinds import repeat as repeating
from bunchtrain.workflow.graph.stage import StageContext
from bunchtrain.workflow.run_study import run as run_study

STUDY = """
name: toys
source: {name: files, files: pool.parquet}
representation: {name: table, features: [x, y]}
training: {epochs: 2, batch_size: 100, threads: 1}
split: {name: fraction, train: 0.5, validation: 0.25, test: 0.25}
stages:
  background: {transform: {name: select, of: source, where: is_signal == 0}}
  signal: {transform: {name: select, of: source, where: is_signal == 1}}
  drawn: {transform: {name: resample, of: background, method: subsample, rows: 150}}
  reference:
    transform: {name: resample, of: background, method: subsample, rows: 150, complement: true}
  data: {transform: {name: inject, of: [drawn, signal], number: 40}}
  both:
    prepare:
      of: [reference, data]
      targets: {sample: {classes: {reference: origin == 0, data: origin == 1}}}
  fit:
    train:
      of: both
      model: {name: dense_network, widths: [8]}
      loss: [{name: binary_cross_entropy, target: sample}]
  scores: {predict: {of: fit}}
  background_toys: {repeat: {over: signals, times: 4, scan: {data.transform.number: [0]}, run: &all
    [drawn, reference, data, both, fit, scores]}}
  power: {repeat: {over: signals, times: 3, scan: {data.transform.number: [0, 40]}, run: *all}}
  other_seeds: {repeat: {over: seeds, times: 2, run: [fit, scores]}}
evaluation:
  - {name: two_sample_test, of: scores}
  - {name: p_value, "null": background_toys, observed: scores, alternative: power}
"""
FOLDS = """
name: folds
source: {name: files, files: pool.parquet}
representation: {name: table, features: [x, y]}
training: {epochs: 1, batch_size: 100, threads: 1}
split: {name: kfold, folds: 3}
stages:
  events: {prepare: {targets: {kind: {classes: {bkg: is_signal == 0, sig: is_signal == 1}}}}}
  fit: {train: {of: events, model: {name: dense_network, widths: [8]}}}
  scores: {predict: {of: fit}}
  folds: {repeat: {over: folds, run: [events, fit, scores]}}
evaluation: [{name: classification, of: folds}]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("toys")
    random = np.random.default_rng(1)
    signal = np.arange(600) % 4 == 0
    columns = {n: random.normal(size=600) + 2 * signal for n in ("x", "y")}
    write_parquet(place / "pool.parquet", [columns | {"is_signal": signal.astype(np.int64)}])
    return place


def study(place, text=STUDY, **changes):
    plain = yaml.safe_load(text)
    plain["source"]["files"] = str(place / "pool.parquet")
    plain["storage"] = {"folder": str(place / "cache")}
    for key, value in changes.items():
        plain["stages"][key] = {"repeat": plain["stages"][key]["repeat"] | value}
    return plain


@pytest.fixture(scope="module")
def run(place):
    return run_study(validate(study(place), "toys.yaml", place), runs=place / "runs", jobs=1)


def table(run, name):
    return pq.read_table(Path(run.folder) / "stages" / name / "table.parquet").to_pydict()


def test_a_row_for_each_repetition(run):
    null, power = table(run, "background_toys"), table(run, "power")
    assert null["repetition"] == [0, 1, 2, 3]
    assert power["toy"] == [0, 1, 2] * 2
    assert power["data.transform.number"] == [0] * 3 + [40] * 3
    statistics = [name for name in null if name.startswith("fit.") and "error" not in name]
    assert statistics == ["fit.log_likelihood_ratio", "fit.two_sample_auc"]
    assert len(set(null["fit.two_sample_auc"])) == 4
    assert len(set(table(run, "other_seeds")["seed"])) == 2


def test_repetitions_do_not_depend_on_their_number(run):
    null, power = table(run, "background_toys"), table(run, "power")
    for name in null:
        if name not in ("repetition",):
            np.testing.assert_allclose(null[name][:3], power[name][:3], rtol=1e-5, err_msg=name)


def test_p_values_and_power(run):
    metrics = run.metrics["fit"]
    auc = table(run, "background_toys")["fit.two_sample_auc"]
    observed = metrics["two_sample_auc"]["value"]
    expected = (1 + sum(one >= observed for one in auc)) / 5
    assert metrics["two_sample_auc_p_value"]["value"] == expected
    assert 0 <= metrics["two_sample_auc_power/40"]["value"] <= 1
    assert "chi_squared_p_value" in run.metrics["classical"]


def repeated(run, place, executor=None, name="background_toys"):
    """Make the table of a stage `repeat` of a run once more, in pieces of two."""
    made = validate(study(place, **{name: {"together": 2}}), "toys.yaml", place)
    folder = RunFolder(Path(run.folder))
    stage = build_graph(folder, made)[name]
    stage.run(StageContext(folder, made, stage, executor=executor))
    return (folder.path / "stages" / name / "table.parquet").read_bytes()


def fail_at(monkeypatch, index, problem):
    made = repeating.Repeat.make_rows

    def make_rows(self, piece):
        if piece[0].index == index:
            raise problem
        return made(self, piece)

    monkeypatch.setattr(repeating.Repeat, "make_rows", make_rows)


@pytest.fixture(scope="module")
def in_pieces(run, place):
    before = table(run, "background_toys")
    found = repeated(run, place)
    for name, values in table(run, "background_toys").items():
        np.testing.assert_allclose(values, before[name], rtol=1e-5, err_msg=name)
    return found


def test_a_killed_stage_continues(run, place, in_pieces, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, 2, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            repeated(run, place)
    fail_at(monkeypatch, 0, AssertionError("it is there"))
    assert repeated(run, place) == in_pieces


def test_pieces_by_jobs_are_equal_and_a_failed_one_is_made_again(
    run, place, in_pieces, monkeypatch
):
    changed = validate(study(place, background_toys={"together": 2}), "toys.yaml", place)
    monkeypatch.setattr(RunFolder, "study", lambda _: changed)
    with monkeypatch.context() as patch:
        fail_at(patch, 2, DataError("no rows"))
        with pytest.raises(DataError, match="no rows"):
            repeated(run, place, InThisProcess(2, ["repeat.0"]))
    fail_at(monkeypatch, 0, AssertionError("it is there"))
    assert repeated(run, place, InThisProcess(1)) == in_pieces


def test_every_event_is_out_of_fold_once(place):
    run = run_study(validate(study(place, FOLDS), "folds.yaml", place), runs=place / "runs")
    found = table(run, "folds")
    assert sorted(found["entry"]) == list(range(600))
    assert run.metrics["fit"]["auc"]["value"] > 0.6
    rows = json.loads((Path(run.folder) / "stages/folds/repetitions.json").read_text())
    assert [row["toy"] for row in rows] == [0, 1, 2]
    both = study(place, FOLDS)
    both["evaluation"].insert(0, {"name": "classification", "of": "scores"})
    again = run_study(validate(both, "folds.yaml", place), runs=place / "runs")
    assert list(again.metrics) == ["scores.fit", "folds.fit"]
    assert again.metrics["folds.fit"] == run.metrics["fit"]
    assert again.metrics["scores.fit"]["auc"] != run.metrics["fit"]["auc"]
    assert "scores.fit" in (Path(again.folder) / "report.html").read_text()


def test_the_models_of_a_study_are_repeated(place):
    plain = study(place, FOLDS)
    events = plain["stages"].pop("events")["prepare"]
    fit = plain["stages"].pop("fit")["train"]
    plain |= {"targets": events["targets"], "model": fit["model"]}
    plain["stages"] = {
        "folds": {"repeat": {"over": "folds", "run": ["prepare", "train", "predict"]}},
        "again": {"repeat": {"over": "seeds", "times": 2, "run": ["train", "predict"]}},
    }
    plain["evaluation"] = ["classification", {"name": "classification", "of": "folds"}]
    run = run_study(validate(plain, "folds.yaml", place), runs=place / "runs", only=["again"])
    found = table(run, "again")
    assert len(set(found["dense_network.auc"])) == 2
    run = run_study(validate(plain, "folds.yaml", place), runs=place / "runs", only=["folds"])
    assert sorted(table(run, "folds")["entry"]) == list(range(600))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": []}, "background_toys.repeat.run: must be a list of 1 or more"),
        ({"run": ["fits"]}, "run: there is no stage 'fits' in 'stages'; did you mean 'fit'"),
        ({"scan": {"data.transform.nunber": [1]}}, "no option 'nunber' of 'transform'; did you"),
        ({"scan": {"dada.transform.number": [1]}}, "begins with no stage of 'run'"),
        ({"scan": {}}, "'over: signals' needs 'scan', a key with its values"),
        ({"times": None}, "'over: signals' needs 'times'"),
        ({"times": 10_000, "scan": {"data.transform.number": [0] * 11}}, "110,000 repetitions, of"),
        ({"over": "folds", "times": None, "scan": {}}, "'over: folds' needs the split 'kfold'"),
    ],
)
def test_repetitions_that_cannot_be_made(place, tmp_path, changes, message):
    def build():
        made = validate(study(place, background_toys=changes), "toys.yaml", place)
        return build_graph(RunFolder(tmp_path), made)

    with pytest.raises(StudyError, match=message):
        build()
