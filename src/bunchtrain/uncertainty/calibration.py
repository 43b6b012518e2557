"""Interface of the calibrations: maps of predicted quantities, fitted on the validation set."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from bunchtrain import parts
from bunchtrain.heads._head import Head
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
        #: Whether the `sigma` of a value is that of the posterior alone, without the events' own.
        self.sigma_is_of_model = False

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
    heads = {} if task.owns_loss else task.heads()
    found = dict[str, list[Calibration]]()
    for name, target in task.targets.items():
        found[name] = [parts.build("calibration", *part, target) for part in task.calibration]
        for calibration in found[name]:
            calibration.sigma_is_of_model = (
                task.posterior is not None and name in heads and not _predicts_sigma(heads[name])
            )
    return found


def _predicts_sigma(head: Head) -> bool:
    """Return whether a head predicts the width of its values itself."""
    predicted = head.predictions(torch.zeros(1, head.outputs))
    return any(quantity.kind == "sigma" for quantity in predicted)
