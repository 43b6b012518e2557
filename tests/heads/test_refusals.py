"""Errors for wrong targets and options, in one sentence each."""

import pytest
import torch

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.targets import Target

LABEL = Target("label", classes=("qcd", "top"))
FLAVOUR = Target("label", classes=("light", "c", "b"))
MASS = Target("mass", values=("mass",))

CASES = [
    ("cross_entropy", MASS, {}, "needs a target with classes, and target 'mass' has values"),
    ("focal", MASS, {}, "needs a target with classes"),
    ("binary_cross_entropy", MASS, {}, "needs a target with classes"),
    ("binary_cross_entropy", FLAVOUR, {}, "needs a target of 2 classes, and target 'label' has 3"),
    ("mean_squared_error", LABEL, {}, "loss 'mean_squared_error' needs a target with values"),
    ("quantile", LABEL, {}, "needs a target with values, and target 'label' has classes"),
    ("gaussian_nll", LABEL, {}, "needs a target with values"),
    ("cross_entropy", LABEL, {"label_smoothing": 1.0}, "label_smoothing: must be below 1"),
    ("cross_entropy", LABEL, {"class_weights": {"tob": 1}}, "no such class; did you mean 'top'"),
    ("quantile", MASS, {"levels": [0.5, 1.5]}, "levels.1: must be below 1, got 1.5"),
    ("quantile", MASS, {"levels": []}, "levels: must be a list of 1 or more items"),
    ("margin", MASS, {}, "loss 'margin' needs a target with classes"),
    ("margin", LABEL, {"absent": 0.95}, "0 ≤ absent < present ≤ 1 and 'down' above 0, got absent"),
    ("huber", MASS, {"delta": 0.0}, "delta: must be above 0"),
    ("focal", LABEL, {"gamma": -1.0}, "gamma: must be at least 0"),
    ("huber", MASS, {"dleta": 1.0}, "has no option 'dleta'; did you mean 'delta'"),
]


@pytest.mark.parametrize(("name", "target", "options", "text"), CASES)
def test_options_and_targets(name, target, options, text):
    with pytest.raises(StudyError) as caught:
        parts.build("loss", name, options, target)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "target", "held", "text"),
    [
        ("cross_entropy", LABEL, torch.zeros(3), "must be class indices (batch,) of int64, got"),
        ("cross_entropy", LABEL, torch.zeros(3, 1, dtype=torch.int64), "got shape (3, 1) of"),
        ("huber", MASS, torch.zeros(3), "must be floating-point values (batch, 1), got shape (3,)"),
        ("huber", MASS, torch.zeros(3, 1, dtype=torch.int64), "of torch.int64"),
        ("gaussian_nll", MASS, torch.zeros(3, 2), "(batch, 1), got shape (3, 2)"),
    ],
)
def test_targets_of_the_wrong_type(name, target, held, text):
    head = parts.build("loss", name, {}, target)
    batch = Batch({"table": torch.zeros(3, 1)}, {target.name: held})
    with pytest.raises(DataError) as caught:
        head({target.name: torch.zeros(3, head.outputs)}, batch)
    assert text in str(caught.value)


def test_a_target_that_is_not_there():
    head = parts.build("loss", "huber", {}, MASS)
    batch = Batch({"table": torch.zeros(3, 1)}, {"label": torch.zeros(3)})
    with pytest.raises(DataError, match="the batch has no target 'mass'; it has"):
        head({"mass": torch.zeros(3, 1)}, batch)
