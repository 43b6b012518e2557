"""Systematic effects on a finished run, and likelihoods from it."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

import bunchtrain
from bunchtrain.cli.aliases import parse_sizes as sizes
from bunchtrain.errors import RunError, StudyError, UserError
from bunchtrain.evaluations.expected_sensitivity import LEVELS
from bunchtrain.systematics.expression_shift import ExpressionShift
from bunchtrain.systematics.jet_energy_scale import JetEnergyScale
from bunchtrain.workflow.run import FoldedRun, Run
from bunchtrain.workflow.shifted_predictions import shifted_predictions

SCALE = {"jet_energy_scale": 0.05}


def shifted(run, name, systematic):
    return shifted_predictions(run.files, run.study, run.models, name, systematic, 1)


@pytest.fixture(scope="module")
def shifts(finished):
    return bunchtrain.evaluate(finished, "systematic_shift", by=SCALE)


def test_predictions_without_a_shift_are_those_of_the_run(finished):
    same = shifted(finished, "nothing", JetEnergyScale(size=0.0))
    assert same.contents == finished.predictions.contents
    both = {"new": same.columns, "old": finished.predictions.columns}
    order = {name: np.argsort(of["entry"]) for name, of in both.items()}
    assert len(order["new"]) == len(order["old"])
    for name in ("entry", "trees_top", "flow_top", "weight"):
        old, new = (both[one][name][order[one]] for one in ("old", "new"))
        assert np.allclose(old, new, atol=1e-6)


def test_a_scale_shifts_what_depends_on_the_mass(finished, shifts):
    changes = shifts.details["changes"]["trees"]["jet_energy_scale"]
    passing = changes["signal_passing_50"]
    assert passing["nominal"] == pytest.approx(0.5, abs=0.06)
    assert max(abs(passing[d]["value"]) / passing[d]["error"] for d in ("up", "down")) > 2
    written = finished.json("evaluations/systematic_shift/results.json")
    assert written["details"]["changes"]["trees"]["jet_energy_scale"]["auc"]["up"]["value"]
    assert "Changes under systematic effects" in finished.files.report_file.read_text()


def test_shifted_predictions_are_cached(finished, shifts, capsys):
    again = bunchtrain.evaluate(finished, "systematic_shift", by=SCALE)
    assert "predictions with" not in capsys.readouterr().err
    assert again.details == shifts.details


def test_a_response_curve_passes_the_nominal_mean_without_a_shift(finished):
    found = bunchtrain.evaluate(finished, "response_curve", by=SCALE, steps=1)
    predicted = finished.predictions.columns
    top = predicted["jet"] == 1
    curve = found.details["jet_energy_scale"]
    means = [one["value"] for one in curve["mean"]["trees"]["top"]]
    assert curve["amounts"] == [-0.05, 0, 0.05]
    assert means[1] == pytest.approx(predicted["trees_top"][top].mean())
    assert len(set(means)) == 3
    assert not curve["sigma"]
    assert found.plots


def test_workspaces_contain_the_shift(finished, shifts):
    pytest.importorskip("pyhf")
    options = {"by": SCALE, "rates": {"qcd": 0.1}, "bins": 3, "min_background": 20}
    results = bunchtrain.evaluate(finished, "expected_sensitivity", **options)
    metrics = results.metrics["trees"]
    counts, effects, full = (metrics[f"expected_significance_{level}"] for level in LEVELS)
    assert 0 < full["value"] < effects["value"] < counts["value"]
    assert full["error"] > 0
    counts, effects, full = (metrics[f"expected_limit_{level}"]["value"] for level in LEVELS)
    assert full > effects > counts > 0
    spec = json.loads((finished.folder / "evaluations/expected_sensitivity/trees.json").read_text())
    names = {m["name"] for s in spec["channels"][0]["samples"] for m in s["modifiers"]}
    assert names == {"mu", "staterror_score", "jet_energy_scale", "rate_qcd"}
    output = io.StringIO()
    Console(file=output, width=80).print(results)
    assert max(map(len, output.getvalue().splitlines())) <= 80
    assert "…" not in output.getvalue()


def test_folds_are_evaluated_as_one_run_of_the_same_luminosity(finished):
    """The events of the test set, divided between two runs, give the counts of one."""
    halves = [Run(finished.files), Run(finished.files)]
    for k, half in enumerate(halves):
        half.predictions = finished.predictions.take(slice(k, None, 2))
    folded = FoldedRun(halves)
    order = np.argsort(folded.predictions.columns["entry"])
    for name, values in finished.predictions.columns.items():
        entry = np.argsort(finished.predictions.columns["entry"])
        np.testing.assert_array_equal(folded.predictions.columns[name][order], values[entry])
    assert folded.folds == 2
    with pytest.raises(RunError, match="two of the runs test the same event"):
        bunchtrain.evaluate([finished, finished], "systematic_shift", by=SCALE)


def test_an_unknown_effect_or_class_is_an_error_with_the_nearest(finished):
    with pytest.raises(StudyError, match=r"jet_energy_scal'.*did you mean 'jet_energy_scale'"):
        bunchtrain.evaluate(finished, "systematic_shift", by={"jet_energy_scal": 0.02})
    with pytest.raises(StudyError, match="no column 'muon_pt'; there are"):
        shifted(finished, "scale", JetEnergyScale(size=0.1, columns=["muon_pt"]))
    with pytest.raises(StudyError, match="no column 'jet_mas'; did you mean 'jet_mass'"):
        shifted(finished, "own", ExpressionShift(columns={"jet_mas": "jet_mass + shift"}))
    with pytest.raises(StudyError, match="needs an effect"):
        bunchtrain.evaluate(finished, "systematic_shift")
    with pytest.raises(StudyError, match="no class 'qdc'; did you mean 'qcd'"):
        bunchtrain.evaluate(finished, "expected_sensitivity", rates={"qdc": 0.1})


def test_sizes_on_the_command_line():
    assert sizes(["a=0.02", "b"]) == {"a": 0.02, "b": None}
    assert sizes(["pt_1 = pt_1 * 1.02"]) == {"pt_1 = pt_1 * 1.02": None}
    with pytest.raises(UserError, match="'two' is not a number"):
        sizes(["a=two"])
    with pytest.raises(UserError, match="above 0"):
        sizes(["a=-1"])
