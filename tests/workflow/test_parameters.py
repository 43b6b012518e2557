"""The AUC of parameterised networks at each value of the parameter, and its study."""

import numpy as np
import pytest

import bunchtrain
from bunchtrain.errors import StudyError
from bunchtrain.statistics.metrics import auc, roc
from bunchtrain.study import load
from bunchtrain.workflow.parameters import aucs_by_value
from bunchtrain.workflow.prediction_table import Predictions

TINY = {
    "source.masses": [500, 1500],
    "source.part": 100,
    "source.events": 400,
    "source.processes": 1,
    "define.resonance_mass": "where(is_signal, mass, 500 + 1000 * floor(2 * random(event_id)))",
    "models.parameterised.training.select": "resonance_mass > 1000",
    "training.epochs": 8,
    "training.batch_size": 32,
    "training.threads": 1,
}


def test_aucs_are_those_of_the_events_of_each_value():
    study = load("parameterised_resonance")
    random = np.random.default_rng(1)
    truth, mass = random.integers(0, 2, 600), random.choice([500.0, 750.0], 600)
    p = random.random(600) * 0.5 + 0.4 * truth * (mass == 750)
    columns = {"event": truth, "resonance_mass": mass, "weight": np.ones(600)}
    columns |= {"at_500_ttbar": 1 - p, "at_500_resonance": p}
    found = aucs_by_value(Predictions(study, columns), "at_500", "event")
    own = mass == 750
    assert list(found) == [500.0, 750.0]
    assert found[750.0].value == pytest.approx(auc(roc(p[own], truth[own] == 1)).value)
    assert found[750.0].value > 0.9 > 0.6 > found[500.0].value


def test_the_parameter_must_be_a_spectator():
    with pytest.raises(StudyError, match="did you mean 'resonance_mass'"):
        load("parameterised_resonance", "evaluation.parameter=resonance_mas")


def test_parameterised_resonance_runs_from_end_to_end(tmp_path):
    pytest.importorskip("pythia8mc")
    study = load("parameterised_resonance", **TINY)
    run = bunchtrain.run(study, runs=tmp_path, only=["parameterised", "at_1500"], jobs=1)
    found = aucs_by_value(run.predictions, "at_1500", "event")
    assert found[1500.0].value > 0.75
    assert "AUC at each resonance_mass" in run.folder.report_file.read_text(encoding="utf-8")
    assert run.folder.json("models/parameterised/training.json")["events"] < 180
