"""Combinations of parts that cannot work are refused before any training."""

from __future__ import annotations

import pytest

from bunchtrain.errors import StudyError
from bunchtrain.methods.build_model import build_model
from bunchtrain.study.overrides import apply, apply_to_models
from bunchtrain.targets import Target
from bunchtrain.training.devices import check_device

VALUES = {"targets": {"sum": Target("sum", values=("energy",))}}
BOTH = {"targets": {"sum": Target("sum", values=("energy", "mass"))}}


def term(name, target="sum", **options):
    return [(name, options, target, 1.0)]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"terms": term("margin", "kind")}, "'margin' needs lengths"),
        ({"terms": term("quantile", levels=[0.16, 0.84]), **VALUES}, "add the median, 0.5"),
        (
            {"terms": term("mean_squared_error"), "model": ("histogram_trees", {}), **BOTH},
            "'histogram_trees' fits one value",
        ),
        (
            {
                "terms": [
                    *term("cross_entropy", "kind"),
                    *term("disco", "kind", against="x", ramp=5),
                ],
                "model": ("boosted_trees", {}),
            },
            "'alone' and 'ramp' are steps of a network",
        ),
        (
            {"terms": term("huber"), "posterior": ("bayes_by_backprop", {}), **VALUES},
            "'huber' here is none",
        ),
    ],
)
def test_a_task_is_refused_before_it_trains(make_task, fields, text) -> None:
    task = make_task(**fields)
    representation, _ = task.build_representation(["x", "y", "z"])
    with pytest.raises(StudyError, match=text) as caught:
        build_model(task, representation)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_an_absent_device_is_named(device) -> None:
    import torch

    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(StudyError, match=f"'{device}'"):
        check_device(device)
    check_device("auto")
    check_device("cpu", workers=4)


def test_a_general_override_applies_to_models_with_their_own_value() -> None:
    study = {
        "model": {"name": "dense_network", "dropout": 0.2},
        "models": {
            "a": {"training": {"epochs": 8}},
            "b": {"model": {"dropout": 0.5}},
            "c": {"model": {"name": "boosted_trees", "dropout": 3}, "training": {"epochs": 2}},
        },
    }
    given = {"training.epochs": 40, "model.dropout": 0.0, "models.c.training.epochs": 9}
    found = apply_to_models(apply(study, given), given)
    assert found["training"] == {"epochs": 40}
    assert found["models"]["a"]["training"] == {"epochs": 40}
    assert found["models"]["b"]["model"] == {"dropout": 0.0}
    assert found["models"]["c"] == {
        "model": {"name": "boosted_trees", "dropout": 3},
        "training": {"epochs": 9},
    }
