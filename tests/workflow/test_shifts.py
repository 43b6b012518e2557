"""Systematic effects on a finished run, and likelihoods from it."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from bunchtrain.cli.statistics import sizes
from bunchtrain.errors import RunError, StudyError, UserError
from bunchtrain.systematics.expression_shift import ExpressionShift
from bunchtrain.systematics.jet_energy_scale import JetEnergyScale
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.reactions import react
from bunchtrain.workflow.shifted import shifted
from bunchtrain.workflow.shifting import Shifts, shift
from bunchtrain.workflow.tested import fixed, of_folds, scored
from bunchtrain.workflow.workspaces import LEVELS, workspaces


@pytest.fixture(scope="module")
def shifts(finished):
    return shift(finished, {"jet_energy_scale": 0.05})


def test_scores_without_a_shift_are_those_of_the_run(finished):
    same = shifted(finished, "nothing", JetEnergyScale(size=0.0), 1).columns
    both = {"new": same, "old": columns(finished)}
    order = {name: np.argsort(of["entry"]) for name, of in both.items()}
    assert len(order["new"]) == len(order["old"])
    for name in ("entry", "trees_top", "flow_top", "weight"):
        old, new = columns(finished)[name][order["old"]], same[name][order["new"]]
        assert np.allclose(old, new, atol=1e-6)


def columns(run):
    return run.predictions.columns


def test_a_scale_moves_what_depends_on_the_mass(finished, shifts):
    moved = shifts.table["trees"]["jet_energy_scale"]
    value, up, down = moved["signal_passing_50"]
    assert value == pytest.approx(0.5, abs=0.06)
    assert max(abs(up.value) / up.error, abs(down.value) / down.error) > 2
    written = json.loads((finished.folder / "shifts.json").read_text())
    assert written["changes"]["trees"]["jet_energy_scale"]["auc"]["up"]["value"] is not None
    assert isinstance(shifts, Shifts)


def test_shifted_scores_are_kept_and_used_again(finished, shifts, capsys):
    again = shift(finished, {"jet_energy_scale": 0.05})
    assert "scores with" not in capsys.readouterr().err
    assert again.table == shifts.table


def test_reaction_passes_the_nominal_mean_at_no_shift(finished, shifts):
    found = react(finished, "jet_energy_scale", 0.05, steps=1)
    predicted = finished.predictions.columns
    top = predicted["jet"] == 1
    means = [figure.value for figure in found.mean["trees"]["top"]]
    assert found.amounts == [-0.05, 0, 0.05]
    assert means[1] == pytest.approx(predicted["trees_top"][top].mean())
    assert len(set(means)) == 3
    assert not found.sigma
    assert (finished.folder / "reaction_jet_energy_scale.svg").stat().st_size > 1000


def test_workspaces_know_of_the_shift(finished, shifts):
    pytest.importorskip("pyhf")
    promises = workspaces(finished, {"jet_energy_scale": 0.05}, {"qcd": 0.1}, bins=3, least=20)
    found = promises.found["trees"]
    counts, effects, full = (found.significance[level] for level in LEVELS)
    assert 0 < full.value < effects.value < counts.value
    assert full.error > 0
    assert found.limit["all"] > found.limit["effects"] > found.limit["counts"] > 0
    assert found.gain(found, "all").value == 1
    spec = json.loads(found.path.read_text())
    names = {m["name"] for s in spec["channels"][0]["samples"] for m in s["modifiers"]}
    assert names == {"mu", "staterror_score", "jet_energy_scale", "rate_qcd"}
    written = json.loads((finished.folder / "promises.json").read_text())
    assert written["networks"]["trees"]["significance"]["all"]["value"] == full.value
    output = io.StringIO()
    Console(file=output, width=80).print(promises)
    assert max(map(len, output.getvalue().splitlines())) <= 80
    assert "…" not in output.getvalue()


def test_folds_together_are_one_set_of_the_same_luminosity(finished):
    """The events of the test set, dealt to two runs, give the figures of one."""
    whole = finished.predictions
    dealt = [
        Predictions(whole.study, {k: v[n::2] for k, v in whole.columns.items()}) for n in (0, 1)
    ]
    joined, one = (scored(of_folds(o), "trees", "jet") for o in (dealt, [whole]))
    folds, alone = fixed(joined, [finished, finished]), fixed(one, [finished])
    assert folds.scale == alone.scale / 2
    assert folds.cuts == pytest.approx(alone.cuts)
    with pytest.raises(RunError, match="two of the runs test the same event"):
        shift([finished, finished], {"jet_energy_scale": 0.05})


def test_an_unknown_effect_or_class_is_told_with_the_nearest(finished):
    with pytest.raises(
        StudyError, match=r"--by jet_energy_scal: .*did you mean 'jet_energy_scale'"
    ):
        shift(finished, {"jet_energy_scal": 0.02})
    with pytest.raises(StudyError, match="changes none of the columns that the study reads"):
        shifted(finished, "scale", JetEnergyScale(size=0.1, columns=["muon_pt"]), 1)
    with pytest.raises(StudyError, match="no column 'jet_mas'; did you mean 'jet_mass'"):
        shifted(finished, "own", ExpressionShift(columns={"jet_mas": "jet_mass + shift"}), 1)
    with pytest.raises(StudyError, match="name an effect"):
        shift(finished, {})
    with pytest.raises(StudyError, match="no class 'qdc'; did you mean 'qcd'"):
        workspaces(finished, {}, {"qdc": 0.1})


def test_sizes_on_the_command_line():
    assert sizes(["a=0.02", "b"]) == {"a": 0.02, "b": None}
    with pytest.raises(UserError, match="'two' is not a number"):
        sizes(["a=two"])
    with pytest.raises(UserError, match="above 0"):
        sizes(["a=-1"])
