"""Interface of the calibrations: maps of predicted quantities, fitted on the validation set."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from bunchtrain import parts
from bunchtrain.methods.task import Task
from bunchtrain.targets import Quantity, Target

#: Predicted quantities of events, (events,) each.
Quantities = dict[Quantity, Tensor]


class Calibration(ABC):
    """A map from the predictions of one target to calibrated or additional ones.

    numbers  the fitted parameters by name; saved with the trained model.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.numbers: dict[str, list[float]] = {}

    @abstractmethod
    def fit(self, predictions: Quantities, truth: Tensor, weight: Tensor) -> None:
        """Fit on the validation set.

        predictions  of the validation set, (events,) each.
        truth        (events,) class indices, or (events, value).
        weight       (events,).
        """

    @abstractmethod
    def apply(self, predictions: Quantities) -> Quantities:
        """Return the calibrated predictions, the additional ones at the end."""

    def stack_probabilities(self, predictions: Quantities) -> Tensor:
        """Return the probabilities of the classes, (class, events)."""
        return torch.stack([predictions[Quantity(label)] for label in self.target.classes])


def predicted_std(predictions: Quantities, value: str) -> Tensor:
    """Return the predicted σ of a value, (events,), or ones where there is none."""
    ones = torch.ones_like(predictions[Quantity(value)])
    return predictions.get(Quantity(value, "sigma"), ones)


def build_calibrations(task: Task) -> dict[str, list[Calibration]]:
    """Return target → the calibrations of a task, not fitted yet."""
    return {
        name: [parts.build("calibration", *part, target) for part in task.calibration]
        for name, target in task.targets.items()
    }
