import json

import pytest

import bunchtrain
from bunchtrain.errors import ExportError, RunError, StudyError
from bunchtrain.study import load


def test_a_model_of_a_run_is_exported_and_verified_on_its_test_set(finished, tmp_path):
    pytest.importorskip("onnxruntime")
    exported = finished.export("onnx", model="flow", output=tmp_path, events=50)
    assert exported.verifications["flow"].agreements[0].events == 50
    told = json.loads((tmp_path / "verification.json").read_text())
    assert told["holds"]
    assert told["provenance"]["study"] == "tiny"


def test_unknown_names_of_an_export_are_told(finished):
    with pytest.raises(StudyError, match="no export named 'onx'; did you mean 'onnx'"):
        finished.export("onx")
    with pytest.raises(StudyError, match="'onnx' has no option 'opsets'; did you mean 'opset'"):
        finished.export("onnx", opsets=18)
    with pytest.raises(RunError, match="no model 'flows'; did you mean 'flow'"):
        finished.export("onnx", model="flows")


def test_an_export_that_cannot_be_is_refused_before_training_by_name(study_file, tmp_path):
    study = load(study_file, "export=[cpp]", "models.net.model=particle_net_light")
    with pytest.raises(ExportError, match="model 'particle_net_light' cannot be"):
        bunchtrain.run(study, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_calibrated_scores_are_refused_where_they_cannot_go(study_file, tmp_path):
    study = load(study_file, "export=[cpp]", "calibration=temperature")
    with pytest.raises(ExportError, match="has no calibration of scores"):
        bunchtrain.run(study, runs=tmp_path / "runs")
