"""Warnings about training events and about models that are no better than a constant."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bunchtrain.batch import Batch
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.mean_absolute_error import MeanAbsoluteError
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.methods.initial_scale import scale_initial_weights
from bunchtrain.methods.supervised import Network
from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork
from bunchtrain.targets import Target
from bunchtrain.training.data import Data
from bunchtrain.training.network_warnings import constant_loss, losses_and_constants
from bunchtrain.training.train import train
from bunchtrain.training.warnings import (
    _about_curves,
    _about_events,
    _about_inputs,
    areas_under_curves,
    first_events,
    training_warnings,
)

CLASSES, VALUES = Target("t", classes=("a", "b")), Target("t", values=("v",))


@pytest.mark.parametrize("kind", [CrossEntropy, BinaryCrossEntropy])
def test_the_loss_of_a_constant_is_the_entropy_of_the_classes(kind) -> None:
    index = torch.tensor([0, 0, 0, 1])
    weight = torch.tensor([1.0, 1.0, 1.0, 2.0])
    batch = Batch({"table": weight[:, None]}, {"t": index}, weight)
    expected = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    assert constant_loss(kind(CLASSES), batch) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_a_constant_is_the_variance_or_the_mean_deviation_from_the_median() -> None:
    values = torch.randn(501, 1, generator=torch.Generator().manual_seed(1)).exp()
    batch = Batch({"table": values}, {"t": values}, torch.ones(501))
    variance = float(values.var(correction=0))
    assert constant_loss(MeanSquaredError(VALUES), batch) == pytest.approx(variance, rel=1e-4)
    deviation = float((values - values.median()).abs().mean())
    assert constant_loss(MeanAbsoluteError(VALUES), batch) == pytest.approx(deviation, rel=1e-2)


def warnings_of(task) -> str:
    made = train(task)
    data = Data(task)
    data.load()
    return " | ".join(training_warnings(made, data, []))


def test_a_model_that_has_learnt_nothing_is_reported(make_task) -> None:
    bad = {"epochs": 1, "learning_rate": 10.0, "optimiser": "sgd"}
    assert "no better than that of a constant" in warnings_of(make_task("bad", bad))
    assert "constant" not in warnings_of(make_task("good", {"epochs": 5}))


def test_the_trained_network_is_evaluated_in_batches(make_task, monkeypatch) -> None:
    task = make_task("batches", {"epochs": 1, "batch_size": 16})
    network, data = train(task).network, Data(task)
    validation = first_events(data, "validation")
    whole = replace(task, settings=task.settings | {"batch_size": len(validation)})
    ((_, expected, _),) = losses_and_constants(whole, network, validation)
    sizes, members = list[int](), type(network).members

    def counted(self: Network, inputs: dict[str, torch.Tensor]) -> Any:
        sizes.append(len(next(iter(inputs.values()))))
        return members(self, inputs)

    monkeypatch.setattr(type(network), "members", counted)
    ((_, reached, _),) = losses_and_constants(task, network, validation)
    assert max(sizes) == 16 < sum(sizes) == len(validation)
    assert reached == pytest.approx(expected, rel=1e-5)


def test_an_input_that_is_the_target_is_reported(make_task) -> None:
    random = np.random.default_rng(1)
    is_class = random.random(400) < 0.5
    features = np.stack([random.normal(size=400), 2.0 - is_class, is_class + 1e-3], 1)
    areas = areas_under_curves(features, is_class)
    assert abs(areas[0] - 0.5) < 0.1
    assert areas[1:].tolist() == [0.0, 1.0]
    assert "alone separates" not in warnings_of(make_task())
    inputs = {"table": features.astype(np.float32)}
    batch = Batch(inputs, {"t": is_class.astype(np.int64)}, np.ones(400))
    names = SimpleNamespace(names={"table": ["x", "y", "is_b"]})
    model: Any = SimpleNamespace(representation=names, task=SimpleNamespace(targets={"t": CLASSES}))
    first, second = _about_inputs(model, batch)
    assert "the input 'y' alone separates class 'b' (AUC 1.0000)" in first
    assert "the input 'is_b' alone separates class 'b' (AUC 1.0000)" in second


def test_an_event_with_a_tenth_of_the_weight_is_reported() -> None:
    data: Any = SimpleNamespace(task=SimpleNamespace(targets={}))
    weight = np.ones(1000)
    batch = Batch({"table": weight[:, None]}, {}, weight)
    assert list(_about_events(data, batch)) == []
    batch.weight[3] = 400.0
    assert "one training event has 29 % of the weight of 1,000" in next(_about_events(data, batch))


def test_a_loss_that_rises_while_the_training_loss_falls_is_reported() -> None:
    rows = [{"train_loss": 1 / n, "validation_loss": 0.5 + abs(n - 3)} for n in range(1, 13)]
    (found,) = _about_curves(rows, None)
    assert "overfitting: the validation loss is smallest after epoch 3 of 12" in found
    assert list(_about_curves(rows, 5)) == []
    assert list(_about_curves(rows[:4], None)) == []


def test_areas_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(2)
    features, is_class = random.integers(0, 6, (300, 3)).astype(float), random.random(300) < 0.3
    expected = [roc_auc_score(is_class, column) for column in features.T]
    np.testing.assert_allclose(areas_under_curves(features, is_class), expected)


@pytest.mark.parametrize("points", [3, 400, 4000])
def test_the_initial_outputs_have_the_scale_of_the_values(points) -> None:
    torch.manual_seed(1)
    network = Network(nn.Identity(), ParticleFlowNetwork(4, 1), {"t": 1})
    network.units = {"t": (torch.zeros(1), torch.ones(1))}
    lengths = torch.full((20,), points)
    inputs = {
        "features": (5 if points > 3 else 1) * torch.randn(20 * points, 4),
        "lengths": lengths,
    }
    before = [p.clone() for p in network.parameters()]
    state = torch.random.get_rng_state()
    scale_initial_weights(network, inputs)
    assert torch.equal(torch.random.get_rng_state(), state)
    outputs = network.members(inputs)[0]["t"]
    assert outputs.square().mean().sqrt() < 3
    is_unchanged = all(map(torch.equal, before, network.parameters()))
    assert is_unchanged == (points == 3)
