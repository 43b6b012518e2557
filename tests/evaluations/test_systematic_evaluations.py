"""Evaluations of shifted scores: changes, response curves, expected sensitivity."""

import json
import sys

import numpy as np
import pytest
import synthetic_runs
from synthetic_runs import EFFECT

from bunchtrain.errors import DataError, MissingDependency, StudyError, UserError
from bunchtrain.evaluations import expected_sensitivity
from bunchtrain.evaluations.expected_sensitivity import LEVELS, ExpectedSensitivity
from bunchtrain.evaluations.response_curve import ResponseCurve
from bunchtrain.evaluations.systematic_shift import SystematicShift
from bunchtrain.statistics.metrics import Measurement

EFFECTS = (SystematicShift, ResponseCurve, ExpectedSensitivity)


def test_a_shift_of_all_scores_changes_the_passing_events_and_not_the_order():
    run = synthetic_runs.run("classes", events=2000, shift=0.3)
    results = SystematicShift(by={EFFECT: 0.02}, efficiencies=(0.5,)).evaluate(run)
    found = {name: Measurement.from_dict(one) for name, one in results.metrics["second"].items()}
    assert abs(found[f"auc_shift_up/{EFFECT}"].value) < 1e-4
    up, down = (found[f"signal_passing_50_shift_{one}/{EFFECT}"] for one in ("up", "down"))
    assert up.value > 3 * up.error > 0 > -3 * down.error > down.value
    assert results.details["sizes"] == {EFFECT: 0.02}
    changes = results.details["changes"]["second"][EFFECT]["signal_passing_50"]
    assert changes["nominal"] == pytest.approx(0.5, abs=2e-3)
    assert changes["up"] == up.as_dict()
    (table,) = results.tables
    assert table.rows[0][:3] == ["first", f"{EFFECT} ± 0.02", "AUC"]
    assert "jet_energy_scale: scaled: jet_pt; not scaled: met." in table.caption
    assert [row[2] for row in table.rows[:5]] == [
        "AUC", "ε_B at ε_S = 0.5", "ε_S, nominal cut 0.5", "ε_B, nominal cut 0.5", "significance",
    ]  # fmt: skip
    assert set(results.metrics) == {"first", "second", "both"}


def test_an_expression_is_an_effect():
    study = synthetic_runs.run("classes").study
    text = "jet_pt = jet_pt * 1.02; jet_mass = jet_mass + (jet_pt == 3)"
    (effect,) = SystematicShift(by=text).effects(study).values()
    assert list(effect.columns) == ["jet_pt", "jet_mass"]
    for wrong in ("= 3", "jet_pt =", "jet_pt = import os"):
        with pytest.raises(UserError):
            SystematicShift(by=[wrong]).check(study)


def test_effects_are_those_of_the_study_or_the_listed_ones():
    systematics = {EFFECT: {"name": EFFECT, "size": 0.03}, "other": {"name": EFFECT, "size": 0.1}}
    study = synthetic_runs.run("classes", changes={"systematics": systematics}).study
    sizes = {
        str(by): {name: one.size for name, one in SystematicShift(by=by).effects(study).items()}
        for by in ({}, ["other"], "other", {EFFECT: 0.2})
    }
    assert sizes == {
        "{}": {EFFECT: 0.03, "other": 0.1},
        "['other']": {"other": 0.1},
        "other": {"other": 0.1},
        str({EFFECT: 0.2}): {EFFECT: 0.2},
    }


@pytest.mark.parametrize("evaluation", EFFECTS)
def test_unknown_effects_are_refused_with_the_nearest(evaluation):
    study = synthetic_runs.run("classes").study
    with pytest.raises(StudyError, match=r"jet_energy_scal'; did you mean 'jet_energy_scale'"):
        evaluation(by=["jet_energy_scal"]).check(study)
    with pytest.raises(StudyError, match="the size of 'jet_energy_scale' must be above 0, got -1"):
        evaluation(by={EFFECT: -1}).check(study)
    if evaluation is not ExpectedSensitivity:
        with pytest.raises(StudyError, match="needs an effect in 'systematics' or 'by'"):
            evaluation().check(study)


def test_a_shift_that_removes_a_class_ends_in_a_sentence():
    run = synthetic_runs.run("classes", events=500, shift=0.1)
    table = run.shifts[EFFECT, 1]
    run.shifts[EFFECT, 1] = table.take(table.truth("jet") == 0)
    with pytest.raises(DataError, match="the test set has no events of class 'top'"):
        SystematicShift(by=[EFFECT]).evaluate(run)


def test_folds_share_the_luminosity():
    run = synthetic_runs.run("classes", events=1000, shift=0.1)
    evaluation = SystematicShift(by={EFFECT: 0.02})
    values = []
    for run.folds in (1, 4):
        changes = evaluation.evaluate(run).details["changes"]["first"][EFFECT]
        values.append(changes["significance"]["nominal"])
    assert values[1] == pytest.approx(values[0] / 2, rel=0.1)


def test_a_response_curve_has_the_nominal_mean_at_no_shift():
    run = synthetic_runs.run("classes", events=1000, shift=0.5)
    results = ResponseCurve(by={EFFECT: 0.02}, steps=1).evaluate(run)
    found = results.details[EFFECT]
    assert found["amounts"] == [-0.02, 0, 0.02]
    assert found["sigma"] == {}
    truth, weights = run.predictions.truth("jet"), run.predictions.weights
    p = run.predictions.probabilities("first", "jet")[:, 1]
    low, nominal, high = (one["value"] for one in found["mean"]["first"]["top"])
    assert low < nominal < high
    assert nominal == pytest.approx(np.average(p[truth == 1], weights=weights[truth == 1]))
    assert results.tables[0].columns == ["Model", "Shift", "qcd", "top"]
    assert [row[:2] for row in results.tables[0].rows] == [
        ["first", "−0.02"], ["", "+0"], ["", "+0.02"],
        ["second", "−0.02"], ["", "+0"], ["", "+0.02"],
    ]  # fmt: skip
    assert len(results.plots) == 1


def test_uncertainties_reduce_the_expected_sensitivity(tmp_path, monkeypatch):
    pytest.importorskip("pyhf")
    monkeypatch.setattr(expected_sensitivity, "SAMPLES", 3)
    changes = {"weights": {"luminosity_scale": 0.1}}
    run = synthetic_runs.run("classes", changes=changes, events=1000, shift=0.3)
    run.folder = tmp_path
    evaluation = ExpectedSensitivity(by={EFFECT: 0.02}, rates={"qcd": 0.1}, bins=2)
    evaluation.check(run.study)
    results = evaluation.evaluate(run)
    found = {name: Measurement.from_dict(one) for name, one in results.metrics["first"].items()}
    counts, effects, full = (found[f"expected_significance_{level}"] for level in LEVELS)
    assert 0 < full.value < effects.value < counts.value
    limits = [found[f"expected_limit_{level}"] for level in LEVELS]
    assert limits[2].value > limits[1].value > limits[0].value > 0
    assert all(one.error > 0 for one in found.values())
    ratio = {name: one["ratio"]["all"] for name, one in results.details["models"].items()}
    assert ratio["first"]["value"] == 1
    assert ratio["second"]["value"] > 1
    folder = tmp_path / "evaluations" / "expected_sensitivity"
    spec = json.loads((folder / "first.json").read_text())
    modifiers = {m["name"] for s in spec["channels"][0]["samples"] for m in s["modifiers"]}
    assert modifiers == {"mu", "staterror_score", EFFECT, "rate_qcd"}
    edges = json.loads((folder / "first.bins.json").read_text())["edges"]
    assert len(edges) == results.details["models"]["first"]["bins"] + 1
    assert [table.columns[2:] for table in results.tables] == [["Counts", "Effects", "All"]] * 3


def test_rates_of_an_unknown_class_are_refused():
    study = synthetic_runs.run("classes").study
    with pytest.raises(StudyError, match="no class 'qdc'; did you mean 'qcd'"):
        ExpectedSensitivity(rates={"qdc": 0.1}).check(study)
    with pytest.raises(StudyError, match="of 'qcd' must be between 0 and 1, got 2"):
        ExpectedSensitivity(rates={"qcd": 2}).check(study)


def test_without_pyhf_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyhf", None)
    with pytest.raises(MissingDependency, match=r"pip install 'bunchtrain\[statistics\]'"):
        ExpectedSensitivity().check(synthetic_runs.run("classes").study)
