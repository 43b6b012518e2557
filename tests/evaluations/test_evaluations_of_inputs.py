"""Evaluations that read events, models and files of a run, with models of known outputs."""

import json
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic_runs
import torch

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations.capsules import Capsules
from bunchtrain.evaluations.feature_importance import FeatureImportance
from bunchtrain.evaluations.firmware_resources import FirmwareResources
from bunchtrain.evaluations.fixed_point_range import FixedPointRange
from bunchtrain.evaluations.input_distributions import InputDistributions
from bunchtrain.evaluations.mean_images import MeanImages
from bunchtrain.evaluations.reweighting import Reweighting
from bunchtrain.evaluations.training_curves import TrainingCurves
from bunchtrain.representations._representation import ImageRepresentation

DIMENSION = 3


class Pixels(ImageRepresentation):
    """An image of one pixel that holds the truth, and a constant one."""

    axes = ("η", "φ")
    sizes = {"image": (1, 1, 2)}  # noqa: RUF012
    names = {"image": ["pt"]}  # noqa: RUF012
    extent = (0.0, 2.0, 0.0, 1.0)

    def columns(self, available):
        return []

    def __call__(self, events):
        truth = ak.to_numpy(events["target_jet"]).astype(np.float32)
        return {"image": np.stack([truth, np.ones_like(truth)], 1)[:, None, None]}


class CapsuleModel:
    """Two capsules per event, the truth in the first component of the last."""

    def capsules(self, image):
        found = torch.zeros(len(image), 2, DIMENSION)
        found[:, 1, 0] = image[:, 0, 0, 0] + 0.5
        return found


class TrainedModel(SimpleNamespace):
    """A trained model on images or on the table of `jet_mass` and `noise`."""

    def represent(self, events):
        if isinstance(self.representation, Pixels):
            inputs = self.representation(events)
        else:
            columns = [ak.to_numpy(events[name]) for name in self.representation.names["table"]]
            inputs = {"table": np.stack(columns, 1)}
        kept = np.arange(len(events))[: self.kept]
        return Batch(inputs).take(kept), kept


def trained(kind, model=None, kept=None):
    names = {"table": ["jet_mass", "noise"]}
    return TrainedModel(
        kept=kept,
        representation=Pixels() if kind == "image" else SimpleNamespace(names=names),
        task=SimpleNamespace(representation=(kind, {}), settings={"batch_size": 64}),
        network=SimpleNamespace(model=model, normalise=lambda inputs: inputs),
    )


@pytest.fixture
def run(tmp_path):
    """A run of jets whose mass depends on the class, with its events in two blocks."""
    changes = {"representation": {"name": "table", "features": ["jet_mass"]}}
    made = synthetic_runs.run("classes", events=1500, changes=changes)
    columns, random = made.predictions.columns, np.random.default_rng(2)
    columns["jet_mass"] = random.normal(columns["jet"], 1.0)
    events = ak.zip(
        {
            "entry": columns["entry"],
            "target_jet": columns["jet"],
            "jet_mass": columns["jet_mass"],
            "noise": random.normal(size=1500),
        },
        depth_limit=1,
    )
    made.events = lambda rows, columns=None: iter([events[:1000], events[1000:]])
    made.folder = tmp_path
    return made


def test_the_difference_of_mean_images_is_in_the_pixel_of_the_truth(run):
    run.models = {"first": trained("image"), "second": trained("image")}
    mean, correlation = MeanImages().evaluate(run).plots
    assert mean.caption == ("Mean images of both classes and their difference, first, second.")
    images = [axes.images[0].get_array() for axes in mean.figure.axes if axes.images]
    np.testing.assert_allclose(images, [[[1, 1]], [[0, 1]], [[1, 0]]], atol=1e-6)
    (first, constant) = (
        next(a for a in correlation.figure.axes if a.images).images[0].get_array()[0]
    )
    assert first > 0.3
    assert constant == 0
    assert {mean.section, correlation.section} == {"inputs"}


def test_images_need_an_image():
    study = synthetic_runs.run("classes").study
    with pytest.raises(StudyError, match="needs a representation such as 'image'"):
        MeanImages().check(study)
    image = {"representation": "image"}
    MeanImages().check(synthetic_runs.run("classes", changes=image).study)


def test_events_that_changed_end_in_a_sentence(run):
    run.models = {"first": trained("image")}
    run.predictions.columns["entry"] = run.predictions.columns["entry"][::-1]
    with pytest.raises(DataError, match="the events are no longer those of"):
        MeanImages().evaluate(run)


def test_capsules_are_written_and_correlated_with_the_spectators(run):
    run.models = {"first": trained("image", CapsuleModel(), kept=900), "second": trained("table")}
    results = Capsules().evaluate(run)
    file = run.folder / "evaluations" / "capsules" / "capsules.parquet"
    assert results.tables[0].rows == [[str(file), 1500]]
    table, columns = pq.read_table(file), run.predictions.columns
    names = ["entry", "weight", "jet_pt", "jet_mass", "mass_point", "jet"]
    assert table.column_names == names + [
        f"first_{label}_capsule_{d}" for label in ("qcd", "top") for d in range(DIMENSION)
    ]
    vector = table["first_top_capsule_0"].to_numpy()
    np.testing.assert_array_equal(vector[:900], columns["jet"][:900] + 0.5)
    assert np.isnan(vector[900:1000]).all()
    (plot,) = results.plots
    assert plot.model == "first"


def test_capsules_need_a_capsule_network():
    with pytest.raises(StudyError, match=r"needs a model with capsules, e\.g\. 'capsule_network'"):
        Capsules().check(synthetic_runs.run("classes").study)


def test_inputs_are_drawn_once_per_representation(run):
    run.models = {"first": trained("table"), "second": trained("table"), "third": trained("image")}
    (plot,) = InputDistributions().evaluate(run).plots
    assert plot.caption == "Inputs of table."
    assert plot.section == "inputs"
    assert [axes.get_xlabel() for axes in plot.figure.axes] == ["jet_mass", "noise"]
    InputDistributions().check(run.study)
    image = synthetic_runs.run("classes", changes={"representation": "image"}).study
    with pytest.raises(StudyError, match="needs a representation such as 'table'"):
        InputDistributions().check(image)


def test_importance_is_that_of_the_models_that_have_one(run):
    model = SimpleNamespace(feature_importance=lambda: torch.tensor([0.2, 0.8]))
    run.models = {"first": trained("table", model), "second": trained("table")}
    (plot,) = FeatureImportance().evaluate(run).plots
    assert plot.model == "first"
    assert [bar.get_width() for bar in plot.figure.axes[0].patches] == pytest.approx([0.2, 0.8])
    with pytest.raises(StudyError, match=r"e\.g\. 'boosted_trees'"):
        FeatureImportance().check(run.study)


@pytest.mark.parametrize("place", ["models", "members"])
def test_training_curves_are_those_of_the_history(run, place):
    folder = run.folder / place / "second"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,train_loss,val_loss\n1,2.0,\n2,1.0,3.0\n")
    (plot,) = TrainingCurves().evaluate(run).plots
    assert plot.model == "second"
    assert plot.figure.axes[0].lines[1].get_ydata() == [3.0]
    (folder / "history.csv").write_text("epoch,train_loss,val_loss\n1,2.0,3.0\n")
    assert TrainingCurves().evaluate(run).plots == []


def test_values_out_of_range_are_counted_by_quantiser(run):
    counts = {"input": 0, "phi": 1200, "f": 3}
    run.files = {
        "models/first/prediction.json": {"out_of_range": counts},
        "models/second/prediction.json": {"out_of_range": None},
    }
    (table,) = FixedPointRange().evaluate(run).tables
    assert table.rows == [["first", "1,203", "phi 1,200, f 3"]]
    run.files = {}
    assert FixedPointRange().evaluate(run).tables == []
    with pytest.raises(StudyError, match="needs a quantised model"):
        FixedPointRange().check(run.study)


def test_resources_are_those_of_the_exports_and_published_ones(run):
    published = {"source": "arXiv:2006.10159", "accuracy": 0.75, "lut": 500, "cycles": 11}
    changes = {"models": {"first": {"published": published}, "second": {}}}
    run.study = synthetic_runs.run("classes", changes=changes).study
    quantised = SimpleNamespace(bit_operations=lambda: torch.tensor(5e3))
    run.models = {"first": trained("table", quantised), "second": trained("table")}
    run.metrics = {name: {"accuracy": {"value": 0.7, "error": 0.01}} for name in run.models}
    evaluation = FirmwareResources()
    assert evaluation.evaluate(run).tables == []
    for name, lut, key, file in (
        ("first", 9000, "figures", "parity.json"),  # as release 0.1 wrote it
        ("second", 7000, "properties", "verification.json"),
    ):
        folder = run.folder / "exports" / name / "circuit"
        folder.mkdir(parents=True)
        found = {
            "LUT, Xilinx UltraScale+": f"{lut} (Yosys 0.1)",
            "latency, cycles": "4 (Verilator)",
        }
        (folder / file).write_text(json.dumps({key: found}))
    results = evaluation.evaluate(run)
    assert results.metrics["second"] == {
        "lut": {"value": 7000, "error": None},
        "cycles": {"value": 4, "error": None},
    }
    (table,) = results.tables
    assert table.columns == ["Model", "Accuracy", "EBOPs", "LUT", "Cycles", "Dominated by"]
    assert table.rows[0][2:] == ["5,000", "9,000", "4", "second"]
    assert table.rows[2][0] == "first, arXiv:2006.10159"
    assert len(results.plots) == 1
    with pytest.raises(StudyError, match="can be exported to 'circuit'"):
        evaluation.check(run.study)
    changes = {"model": {"name": "quantised_dense_network"}}
    evaluation.check(synthetic_runs.run("classes", changes=changes).study)


def test_reweighted_simulation_looks_like_data(run):
    run.models = {"first": trained("table")}
    run.files = {"data.json": {"cutflow": {"read": 2000}}}
    evaluation = Reweighting()
    evaluation.check(run.study)
    mass = run.predictions.columns["jet_mass"]
    p = 1 / (1 + np.exp(0.5 - mass))  # the likelihood ratio of two normal distributions
    for model in ("first", "second", "both"):
        run.predictions.columns[f"{model}_top"] = p
        run.predictions.columns[f"{model}_qcd"] = 1 - p
    run.predictions = run.predictions.take(slice(None))
    results = evaluation.evaluate(run)
    before, after = results.details["none"], results.details["first"]
    assert before["auc"]["value"] > 0.7
    assert abs(after["auc"]["value"] - 0.5) < 4 * after["auc"]["error"]
    assert after["chi2"]["jet_mass"] < 3 < before["chi2"]["jet_mass"]
    assert results.metrics["first"] == {"closure_auc": after["auc"]}
    assert "none" not in results.metrics
    table = pq.read_table(run.folder / "evaluations" / "reweighting" / "weights.parquet")
    weights, truth = table["first_weight"].to_numpy(), run.predictions.truth("jet")
    assert len(weights) == 2000
    assert np.isnan(weights[1500:]).all()
    assert (weights[:1500][truth == 1] == 1).all()
    mean = np.average(weights[:1500][truth == 0], weights=run.predictions.weights[truth == 0])
    assert mean == pytest.approx(1, abs=1e-5)


def test_weights_of_folds_are_normalised_in_each(run):
    run.models = {"first": trained("table")}
    run.files = {"data.json": {"cutflow": {"read": 1500}}}
    run.folds = 2
    output = run.folder / "weights.root"
    Reweighting(output=str(output)).evaluate(run)
    import uproot

    weights = uproot.open(output)["scores"]["first_weight"].array(library="np")
    for part in np.split(np.arange(1500), 2):
        own = part[run.predictions.truth("jet")[part] == 0]
        mean = np.average(weights[own], weights=run.predictions.weights[own])
        assert mean == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_reweighted_is_refused(run):
    with pytest.raises(StudyError, match=r"output 'w\.csv' must end in \.root or \.parquet"):
        Reweighting(output="w.csv").check(run.study)
    with pytest.raises(StudyError, match="two classes, and 'flavour' has 3"):
        Reweighting().check(synthetic_runs.run("flavours").study)
    image = synthetic_runs.run("classes", changes={"representation": "image"}).study
    with pytest.raises(StudyError, match="needs a model on a table"):
        Reweighting().check(image)
    run.models = {"first": trained("table", kept=10)}
    with pytest.raises(DataError, match="set 'invalid' to clip or impute"):
        Reweighting().evaluate(run)
