"""The AUC of parameterised networks at each value of the parameter, and its study."""

import pytest

import bunchtrain
from bunchtrain.errors import StudyError
from bunchtrain.study import load

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


def test_the_parameter_must_be_a_spectator():
    with pytest.raises(StudyError, match="did you mean 'resonance_mass'"):
        load("parameterised_resonance", "evaluation.parameter_scan.parameter=resonance_mas")


def test_parameterised_resonance_runs_from_end_to_end(tmp_path):
    pytest.importorskip("pythia8mc")
    study = load("parameterised_resonance", **TINY)
    run = bunchtrain.run(study, runs=tmp_path, only=["parameterised", "at_1500"], jobs=1)
    assert run.metrics["at_1500"]["auc/resonance_mass=1500"]["value"] > 0.75
    assert "AUC at each resonance_mass" in run.files.report_file.read_text(encoding="utf-8")
    assert run.json("models/parameterised/training.json")["events"] < 180
