"""The studies without targets from start to finish, on jets of the shipped sample."""

import json

import pytest
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import RunError, StudyError
from bunchtrain.study import load

TINY = {
    "source": {"name": "files", "files": str(SAMPLE)},
    "split": {"name": "fraction"},
    "training.epochs": 2,
}


@pytest.fixture(scope="module")
def anomalies(tmp_path_factory):
    study = load("jet_anomalies", size="demo", **TINY)
    return bunchtrain.run(study, runs=tmp_path_factory.mktemp("runs"), jobs=1)


def test_jet_anomalies_runs_from_end_to_end(anomalies):
    assert set(anomalies.metrics) == {
        "pca", "autoencoder", "vae", "isolation_forest", "gaussian_mixture", "flow",
        "image_autoencoder",
    }  # fmt: skip
    assert anomalies.metrics["isolation_forest"]["anomaly_auc"]["value"] > 0.65
    for name, metrics in anomalies.metrics.items():
        assert 0 < metrics["anomaly_auc"]["value"] < 1, name
        assert metrics["anomaly_auc"]["error"] > 0
        assert metrics["anomaly_inverse_jsd_30"]["value"] > 0
        assert abs(metrics["anomaly_correlation/jet_mass"]["value"]) <= 1


def test_a_model_that_predicts_does_not_generate(anomalies):
    with pytest.raises(RunError, match="model 'pca' does not generate events"):
        anomalies.generate(3, model="pca")


def test_jet_generation_runs_from_end_to_end(tmp_path):
    study = load("jet_generation", size="demo", **TINY)
    run = bunchtrain.run(study, runs=tmp_path, jobs=1)
    for name, metrics in run.metrics.items():
        assert 0.4 < metrics["two_sample_auc"]["value"] <= 1, name
        assert metrics["wasserstein/mass"]["error"] > 0
    made = run.generate(5, conditions={"is_top": [0, 1, 0, 1, 1]})
    assert "mass" in made.fields
    assert len(made) == 5
    for name in ("wgan", "flow_matching"):
        history = json.loads((run.files.model(name) / "training.json").read_text())
        assert history["epochs"] == 2


def test_a_condition_of_a_method_without_one_is_an_error_before_any_work(tmp_path):
    study = load("jet_generation", size="demo", **TINY, **{"models.pca": {"method": "pca"}})
    with pytest.raises(StudyError, match="method 'pca' learns the tensor 'table' and does not use"):
        bunchtrain.run(study, runs=tmp_path, jobs=1)
    assert not list(tmp_path.glob("**/predictions.parquet"))
