"""Trainings that start from a trained model: what is taken, what is frozen, and resumption."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from bunchtrain.errors import InterruptedRun, RunError, StudyError
from bunchtrain.methods.task import Task
from bunchtrain.study.model_keys import Training
from bunchtrain.targets import Target
from bunchtrain.training import fit_by_gradient as fitting
from bunchtrain.training.freezing import layer_factors
from bunchtrain.training.start import write_start
from bunchtrain.training.train import train

KIND = Target("kind", ("background", "signal"))
#: In another order, and with a third class.
CLASSES = Target("kind", ("signal", "other", "background"))


@pytest.fixture(scope="module")
def first(cache, tmp_path_factory):
    """The folder of a short training, and of its weights to start from."""
    folder = tmp_path_factory.mktemp("first")
    task = Task(
        cache=str(cache.folder),
        folder=str(folder / "run"),
        representation=("table", {"features": ["x", "y"]}),
        model=("dense_network", {"widths": [8, 8]}),
        terms=[("cross_entropy", {}, "kind", 1.0)],
        targets={"kind": KIND},
        settings=Training(epochs=1, batch_size=64, learning_rate=1e-2, threads=1),
    )
    return train(task), folder


@pytest.fixture
def start(make_task, first):
    """Return a function that makes a task that starts from the first training."""
    place = first[1] / "start"

    def make(folder="second", settings=None, **fields):
        sha256 = write_start(first[1] / "run", place, {"run": "runs/first/1", "model": "dense"})
        plain = {
            "representation": ("table", {"features": ["x", "y"]}),
            "model": ("dense_network", {"widths": [8, 8]}),
        }
        settings = {"epochs": 1} | (settings or {})
        return make_task(
            folder, settings, **(plain | fields), start=str(place), start_sha256=sha256
        )

    return make


def record(task):
    return json.loads(Path(task.folder, "training.json").read_text())


def events(cache):
    return next(iter(cache.of("test").blocks(None, 100)))


def test_a_network_that_is_frozen_as_a_whole_predicts_the_same(first, start, cache):
    task = start(settings={"freeze": ["backbone", "heads"], "epochs": 4})
    ours, theirs = train(task).predict(events(cache)), first[0].predict(events(cache))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6)
    assert record(task)["parameters"] == 0
    assert record(task)["epochs"] == 1
    found = record(task)["start"]
    assert (found["run"], len(found["taken"])) == ("runs/first/1", 6)
    assert found["sha256"] == task.start_sha256
    text = "started from the model 'dense_network' of runs/first/1: 6 tensors taken; 114 of 114 "
    assert found["text"].startswith(text)


def test_columns_are_matched_by_the_names_of_features_and_classes(first, start, make_task):
    terms = [("cross_entropy", {}, "kind", 1.0)]
    fields = {"representation": ("table", {"features": ["z", "y", "x"]}), "terms": terms}
    settings = {"learning_rate": 1e-9}
    task = start(settings=settings, targets={"kind": KIND}, **fields)
    network, old = train(task).network, first[0].network
    own, state = network.state_dict(), old.state_dict()
    first_layer, last_layer = "model.layers.0.weight", "model.layers.4.weight"
    weights = [name for name in own if name.endswith("weight")]
    assert weights == [first_layer, "model.layers.2.weight", last_layer]
    torch.testing.assert_close(own[first_layer][:, [2, 1]], state[first_layer], atol=1e-6, rtol=0)
    for part in ("shift", "scale"):
        name = f"normalisation.table_{part}"
        assert torch.equal(own[name][[2, 1]], state[name])
    found = record(task)["start"]
    assert found["taken_in_part"] == {first_layer: "1 of 3, 0 dropped"}
    assert found["normalisation_fitted"] == ["z"]
    fewer = start("fewer", settings, representation=("table", {"features": ["y"]}))
    own = train(fewer).network.state_dict()
    torch.testing.assert_close(own[first_layer], state[first_layer][:, [1]], atol=1e-6, rtol=0)
    assert record(fewer)["start"]["taken_in_part"] == {first_layer: "0 of 1, 1 dropped"}


def test_the_normalisation_can_be_fitted_again(first, start):
    task = start(settings={"normalisation": "refit", "events": 50})
    own, old = train(task).network.state_dict(), first[0].network.state_dict()
    assert not torch.equal(own["normalisation.table_shift"], old["normalisation.table_shift"])
    assert record(task)["start"]["normalisation_fitted"] == ["table"]


def test_heads_of_other_classes_keep_those_of_the_same_name(first, start, monkeypatch):
    from bunchtrain.methods.build import build_network
    from bunchtrain.training.transfer import start_network

    task = start(targets={"kind": CLASSES})
    made, _ = task.build_representation(["x", "y"])
    network = build_network(task, made)
    from bunchtrain.batch import Batch

    random = np.random.default_rng(1)
    block = Batch({"table": random.normal(size=(20, 2)).astype(np.float32)})
    transfer = start_network(network, task, made, [block])
    old = first[0].network.state_dict()
    for name in ("model.layers.4.weight", "model.layers.4.bias"):
        assert torch.equal(network.state_dict()[name][[2, 0]], old[name])
    assert set(transfer.part) == {"model.layers.4.weight", "model.layers.4.bias"}


def test_a_head_of_another_target_is_new_and_values_keep_their_scale(first, start, tmp_path):
    values = {"targets": {"sum": Target("sum", values=("sum",))}}
    values["terms"] = [("mean_squared_error", {}, "sum", 1.0)]
    task = start(**values)
    train(task)
    assert record(task)["start"]["initialised"] == ["model.layers.4.weight", "model.layers.4.bias"]
    sha256 = write_start(Path(task.folder), tmp_path / "values", {"run": "values"})
    settings = {"freeze": ["layers"], "events": 50}
    again = start("again", settings, **values)
    again = replace(again, start=str(tmp_path / "values"), start_sha256=sha256)
    own, old = (train(one, resume=True).network for one in (again, task))
    for name, value in old.state_dict().items():
        assert torch.equal(own.state_dict()[name], value) or value.isnan().all(), name


class Stop(Callback):
    """Ctrl-C in the middle of an epoch."""

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        if trainer.current_epoch == self.epoch and number == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_resumed_training_unfreezes_as_one_without_interruption(start, monkeypatch, epoch):
    settings = {"freeze": ["backbone"], "unfreeze_after": 2, "epochs": 4, "layer_decay": 0.5}
    whole = train(start("whole", settings))
    task = start("halved", settings)
    make_trainer, Stop.epoch = fitting.make_trainer, epoch
    monkeypatch.setattr(
        fitting, "make_trainer", lambda t, p, callbacks: make_trainer(t, p, [*callbacks, Stop()])
    )
    with pytest.raises(InterruptedRun):
        train(task)
    monkeypatch.undo()
    resumed = train(task, resume=True)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight) or weight.isnan().all()


def test_what_is_frozen_has_no_state_of_the_optimiser_and_is_not_changed(first, start):
    from bunchtrain.methods.tensor_files import read_tensors

    task = start(settings={"freeze": ["layers.0", "layers.2.*"], "epochs": 2})
    own = train(task).network.state_dict()
    old = first[0].network.state_dict()
    same = [name for name in old if name.startswith("model.") and torch.equal(own[name], old[name])]
    assert same == [f"model.layers.{k}.{name}" for k in (0, 2) for name in ("weight", "bias")]
    checkpoint = read_tensors(Path(task.folder) / "checkpoint.safetensors")
    assert set(checkpoint["optimiser"]["state"]) == {0, 1}  # of the last layer
    assert record(task)["parameters"] == 8 * 2 + 2


def test_layers_have_learning_rates_by_their_depth(first):
    factors = layer_factors(first[0].network, 0.5)
    found = {name.removeprefix("model.layers."): factor for name, factor in factors.items()}
    assert found == {
        **{"0.weight": 0.25, "0.bias": 0.25, "2.weight": 0.5, "2.bias": 0.5},
        **{"4.weight": 1.0, "4.bias": 1.0},
    }


TREES = ("boosted_trees", {"trees": 3, "depth": 2})


def test_trees_are_added_to_those_of_before(start, tmp_path, cache):
    task = replace(start("trees", model=TREES), start=None, start_sha256=None)
    trained = train(task)
    sha256 = write_start(Path(task.folder), tmp_path / "trees", {"run": "trees"})
    more = replace(start("more", {"events": 100}, model=TREES), start=str(tmp_path / "trees"))
    more = replace(more, start_sha256=sha256)
    again = train(more)
    assert again.network.model.booster.num_boosted_rounds() == 6
    head = again.network.model.booster[:3]
    batch, _ = trained.represent(events(cache))
    table = trained.network.normalise(batch.inputs)["table"]
    margins = (one.inplace_predict(table) for one in (head, trained.network.model.booster))
    np.testing.assert_allclose(*margins, atol=1e-6)
    other = replace(more, representation=("table", {"features": ["y", "x"]}))
    with pytest.raises(StudyError, match="only with the same features and targets in the same"):
        train(replace(other, folder=str(tmp_path / "other")))


def test_a_method_continues_with_the_same_inputs(start, tmp_path, cache):
    fields = {"model": ("autoencoder", {"widths": [4], "latent": 1}), "owns_loss": True}
    fields |= {"terms": [], "targets": {}}
    task = replace(start("method", **fields), start=None, start_sha256=None)
    trained = train(task)
    sha256 = write_start(Path(task.folder), tmp_path / "method", {"run": "method"})
    given = {"start": str(tmp_path / "method"), "start_sha256": sha256}
    again = replace(start("again", {"freeze": ["*"], "events": 50}, **fields), **given)
    ours, theirs = (one.predict(events(cache)) for one in (train(again), trained))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6)
    heads = replace(start("heads", {"freeze": ["backbone"]}, **fields), **given)
    with pytest.raises(StudyError, match="method 'autoencoder' has no heads; give patterns"):
        train(heads)
    fields["representation"] = ("table", {"features": ["y", "x"]})
    with pytest.raises(StudyError, match=r"a method has the same inputs .* the columns x, y; use"):
        train(replace(start("other", **fields), **given))


def test_features_in_other_units_are_warned_about(start):
    task = start(representation=("table", {"features": ["x", "1000 * y"]}))
    about = json.loads(Path(task.start, "start.json").read_text())
    about["names"]["table"][1] = "1000 * y"
    Path(task.start, "start.json").write_text(json.dumps(about))
    train(task)
    (text,) = [text for text in record(task)["warnings"] if "units" in text]
    assert text.startswith("'1000 * y' is ")


@pytest.mark.parametrize(
    ("fields", "settings", "message"),
    [
        ({"model": ("dense_network", {"widths": [8, 9]})}, {}, "has the shape .8, 8. and here"),
        ({"posterior": ("deep_ensemble", {"size": 2})}, {}, "the posterior of the model .* none"),
        ({"model": TREES}, {}, "is 'dense_network', and the model here is 'boosted_trees'"),
        ({"model": ("random_forest", {})}, {}, "fit in one call and cannot start from"),
        (
            {"posterior": ("deep_ensemble", {"size": 2})},
            {"layer_decay": 0.5},
            "members independently, and 'training.layer_decay'",
        ),
        ({}, {"freeze": ["layer.0"]}, "no parameter is named 'layer.0'; did you mean 'layers.0'"),
        (
            {"representation": ("table", {"features": ["x", "z"]})},
            {"freeze": ["backbone"]},
            "'model.layers.0.weight' is frozen and not in .* stay random; leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(start, fields, settings, message):
    with pytest.raises(StudyError, match=message):
        train(start(settings=settings, **fields))


def test_weights_that_are_missing_or_were_changed(start, first, tmp_path):
    task = start()
    with pytest.raises(RunError, match="is missing or was changed"):
        train(replace(task, start_sha256="0" * 64))
    with pytest.raises(RunError, match=r"has no start\.json"):
        train(replace(task, start=str(tmp_path)))
    with pytest.raises(StudyError, match="this training cannot start from a trained model"):
        train(replace(start(settings={"from": "x"}), start=None))
    with pytest.raises(RunError, match="has no trained model; finish its run first"):
        write_start(tmp_path, tmp_path / "start", {})
    done = train(task)
    assert done.task.start_sha256 == task.start_sha256
    with pytest.raises(RunError, match="'start_sha256' was"):
        train(replace(task, start_sha256="0" * 64), resume=True)
