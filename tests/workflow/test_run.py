import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
import yaml
from conftest import SAMPLE, STUDY  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import DataError, InterruptedRun, RunError, StudyError, UserError
from bunchtrain.workflow.graph import default_graph


def read(run, name):
    return json.loads((run.folder / name).read_text())


def test_a_run_has_all_its_files(finished):
    files = {path.name for path in finished.folder.iterdir()}
    expected = {"study.yaml", "environment.json", "metrics.json", "predictions.parquet"}
    assert expected | {"report.html", "models", "evaluations", "data.json"} <= files
    assert read(finished, "status.json")["state"] == "finished"
    versions = read(finished, "environment.json")
    assert versions["torch"]
    assert re.fullmatch(r"[0-9a-f]{12}\+?|not in a checkout", versions["commit"])


def test_metrics_have_errors_and_are_those_of_the_predictions(finished):
    table = pq.read_table(finished.files.predictions_file)
    truth = table["jet"].to_numpy()
    for member in ("trees", "flow"):
        figure = finished.metrics[member]["auc"]
        score = table[f"{member}_top"].to_numpy().astype(np.float64)
        ranks = np.argsort(np.argsort(score)) + 1.0
        tops = truth == 1
        area = (ranks[tops].sum() - tops.sum() * (tops.sum() + 1) / 2) / tops.sum() / (~tops).sum()
        assert figure["value"] == pytest.approx(area, abs=2e-3)
        assert 0 < figure["error"] < 0.1


def test_trees_on_mass_and_multiplicity_tag_tops(finished):
    assert finished.metrics["trees"]["auc"]["value"] > 0.9


def test_no_event_of_the_test_set_was_trained_on(finished):
    entries = set(pq.read_table(finished.files.predictions_file)["entry"].to_pylist())
    rows = read(finished, "data.json")["rows"]
    assert len(entries) == rows["test"]
    assert sum(rows.values()) == read(finished, "data.json")["cutflow"]["select"]


def test_the_same_study_gives_the_same_figures(finished, tmp_path, study_file):
    again = bunchtrain.run(study_file, runs=tmp_path / "runs")
    assert again.metrics == finished.metrics


def test_a_resumed_run_has_the_figures_of_an_uninterrupted_one(
    finished, tmp_path, study_file, monkeypatch
):
    epochs = []

    def stop(module):
        epochs.append(module.current_epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("bunchtrain.training.module.Module.on_train_epoch_start", stop)
    with pytest.raises(InterruptedRun, match="bunchtrain run --resume") as caught:
        bunchtrain.run(study_file, runs=tmp_path / "runs")
    monkeypatch.undo()
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    folder = str(caught.value).rsplit(" ", 1)[-1]
    with pytest.raises(RunError, match="is interrupted"):
        bunchtrain.open_run(folder)
    resumed = bunchtrain.resume(folder)
    assert resumed.metrics == finished.metrics


def test_scores_of_a_file_stay_in_its_order_and_can_be_used_as_a_friend(finished, tmp_path):
    rows = finished.predict(str(SAMPLE), tmp_path / "scores.root")
    assert rows == 4000
    with uproot.open(tmp_path / "scores.root") as file:
        scores = next(iter(file.values())).arrays(library="np")
    table = pq.read_table(finished.files.predictions_file)
    entries = table["entry"].to_numpy()
    np.testing.assert_allclose(scores["flow_top"][entries], table["flow_top"].to_numpy(), atol=1e-5)
    eta = pq.read_table(SAMPLE)["jet_eta"].to_numpy()
    np.testing.assert_array_equal(np.isnan(scores["flow_top"]), np.abs(eta) >= 1)
    finished.predict(str(SAMPLE), tmp_path / "scores.parquet")
    parquet = pq.read_table(tmp_path / "scores.parquet")["flow_top"].to_numpy()
    np.testing.assert_array_equal(parquet, scores["flow_top"])


def test_scores_are_refused_as_text(finished, tmp_path):
    with pytest.raises(UserError, match=r"must end in \.csv"):
        finished.predict(str(SAMPLE), tmp_path / "scores.txt")


def test_predicting_without_a_needed_column_names_it(finished, tmp_path):
    table = pq.read_table(SAMPLE).drop_columns(["jet_mass"])
    pq.write_table(table, tmp_path / "less.parquet")
    with pytest.raises(DataError, match="no column 'jet_mass'"):
        finished.predict(str(tmp_path / "less.parquet"), tmp_path / "scores.root")
    assert not (tmp_path / "scores.root").exists()


def test_compare_puts_runs_side_by_side(finished, tmp_path):
    comparison = bunchtrain.compare([finished, finished])
    assert len(comparison.models) == 4
    comparison.save(tmp_path / "roc.svg")
    assert "<svg" in (tmp_path / "roc.svg").read_text()


def test_a_run_and_its_report_show_themselves_in_a_notebook(finished):
    shown = finished._repr_html_()
    assert "<svg" in shown
    assert "Pythia stand-ins." in shown
    assert "<iframe" in finished.report()._repr_html_()


def test_only_some_members(tmp_path, study_file):
    run = bunchtrain.run(study_file, runs=tmp_path / "runs", only=["trees"])
    assert list(run.metrics) == ["trees"]
    with pytest.raises(StudyError, match="no model or stage 'tree'; did you mean 'trees'"):
        bunchtrain.run(study_file, runs=tmp_path / "runs", only=["tree"])
    with pytest.raises(StudyError, match="only: give names of models or stages, got 3"):
        bunchtrain.run(study_file, runs=tmp_path / "runs", only=3)


REGRESSION = {
    "targets": {
        "jet": STUDY["targets"]["jet"],
        "mass": {"values": {"log_mass": "log(jet_mass)"}},
    },
    "loss": [
        {"name": "cross_entropy", "target": "jet"},
        {"name": "gaussian_nll", "target": "mass", "weight": 0.1},
    ],
    "representation": {"name": "table", "features": ["jet_mass", "jet_pt"]},
    "model": {"name": "dense_network", "widths": [16]},
    "models": {},
    "evaluation": None,
}


def test_two_heads_classify_and_regress_with_predicted_variance(tmp_path):
    path = tmp_path / "heads.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **REGRESSION}))
    run = bunchtrain.run(path, runs=tmp_path / "runs")
    figures = run.metrics["dense_network"]
    assert {"jet:auc", "mass:bias", "mass:resolution", "mass:pull_width"} <= set(figures)
    assert "Predicted against true log_mass" in run.files.report_file.read_text()


EDGE_NETWORK = '''"""A network of a graph."""

import torch
from torch import nn


class EdgeNetwork(nn.Module):
    """Mean over the points of an event, with the sum over the neighbours of each."""

    def __init__(self, features, outputs, *, width: int = 16):
        super().__init__()
        self.edge = nn.Sequential(nn.Linear(2 * features, width), nn.ReLU())
        self.event = nn.Sequential(nn.Linear(features + width, width), nn.ReLU())
        self.last = nn.Linear(width, outputs)

    def forward(self, features, edges, lengths):
        pairs = self.edge(torch.cat([features[edges[0]], features[edges[1]]], 1))
        sums = pairs.new_zeros(len(features), pairs.shape[1]).index_add(0, edges[1], pairs)
        points = self.event(torch.cat([features, sums], 1))
        event = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
        total = points.new_zeros(len(lengths), points.shape[1]).index_add(0, event, points)
        return self.last(total / lengths.clamp(min=1)[:, None])
'''


@pytest.mark.parametrize("name", ["graph", "sequence", "image", "leading", "table"])
def test_another_representation_costs_one_line(tmp_path, name):
    (tmp_path / "edges.py").write_text(EDGE_NETWORK)
    chosen = {
        "graph": (
            {"name": "graph", "group": "constituent", "max_points": 12, "k": 3},
            f"{tmp_path}/edges.py:EdgeNetwork",  # no model of the toolkit takes edges
        ),
        "sequence": (
            {"name": "sequence", "group": "constituent", "length": 8},
            {"name": "recurrent_network", "hidden": 8},
        ),
        "image": (
            {"name": "image", "group": "constituent", "pixels": 16},
            {"name": "image_cnn", "filters": [[4], [4]], "widths": [8]},
        ),
        "leading": (
            {"name": "leading_particles", "group": "constituent", "n": 5},
            {"name": "dense_network", "widths": [8]},
        ),
        "table": (
            {"name": "table", "features": ["jet_mass"]},
            {"name": "dense_network", "widths": [8]},
        ),
    }[name]
    study = {**STUDY, "models": {}, "representation": chosen[0], "model": chosen[1]}
    study["training"] = {"epochs": 2, "batch_size": 128, "threads": 1}
    study["training"]["learning_rate"] = 0.01
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump(study))
    run = bunchtrain.run(path, runs=tmp_path / "runs")
    (figures,) = run.metrics.values()
    assert 0.5 < figures["auc"]["value"] <= 1
    # `multiplicity`, which this model does not use, need not be computed for a file.
    assert run.predict(str(SAMPLE), tmp_path / "scores.parquet") == 4000


def test_a_model_without_its_tensors_is_refused_before_anything_is_read(study_file, monkeypatch):
    monkeypatch.setattr(default_graph, "prepare_events", lambda *_: pytest.fail("data were read"))
    with pytest.raises(StudyError, match=r"models\.flow: model 'image_cnn' needs 'image'"):
        bunchtrain.run(str(study_file), "models.flow.model=image_cnn")
