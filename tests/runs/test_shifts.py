"""Systematic effects on a finished run, and likelihoods from it."""

import json

import numpy as np
import pytest

from bunchtrain.cli.statistics import sizes
from bunchtrain.errors import StudyError, UserError
from bunchtrain.runs.reactions import react
from bunchtrain.runs.shifting import Shifts, shift, shifted
from bunchtrain.runs.workspaces import workspaces
from bunchtrain.systematics.jet_energy_scale import JetEnergyScale


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
    written = json.loads((finished.folder.path / "shifts.json").read_text())
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
    assert (finished.folder.path / "reaction_jet_energy_scale.svg").stat().st_size > 1000


def test_workspaces_know_of_the_shift(finished, shifts):
    pytest.importorskip("pyhf")
    found = workspaces(finished, {"jet_energy_scale": 0.05}, {"qcd": 0.1}, bins=3).found["trees"]
    plain, full = found.significance
    assert 0 < full < plain
    assert found.limit[1] > found.limit[0] > 0
    spec = json.loads(found.path.read_text())
    names = {m["name"] for s in spec["channels"][0]["samples"] for m in s["modifiers"]}
    assert names == {"mu", "staterror_score", "jet_energy_scale", "rate_qcd"}


def test_an_unknown_effect_or_class_is_told_with_the_nearest(finished):
    with pytest.raises(StudyError, match="did you mean 'jet_energy_scale'"):
        shift(finished, {"jet_energy_scal": 0.02})
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
