"""Interface of the calibrations: maps of predicted quantities, fitted on the validation set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from bunchtrain import parts
from bunchtrain.heads._head import Head
from bunchtrain.methods.task import Task
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from torch import Tensor

#: Predicted quantities of events, (events,) each.
Quantities: TypeAlias = "dict[Quantity, Tensor]"


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
        import torch

        return torch.stack([predictions[Quantity(label)] for label in self.target.classes])


def predicted_std(predictions: Quantities, value: str) -> Tensor:
    """Return the predicted σ of a value, (events,), or ones where there is none."""
    mean = predictions[Quantity(value)]
    return predictions.get(Quantity(value, "sigma"), mean.new_ones(mean.shape))


def calibrate(
    predictions: dict[Quantity, Any], calibrations: Sequence[Calibration]
) -> dict[Quantity, Any]:
    """Return calibrated predictions, (events,) each, in the type of the given ones."""
    if not calibrations:
        return predictions
    import torch

    is_array = isinstance(next(iter(predictions.values())), np.ndarray)
    found = {quantity: torch.as_tensor(values) for quantity, values in predictions.items()}
    for calibration in calibrations:
        found = calibration.apply(found)
    return {q: values.numpy() for q, values in found.items()} if is_array else dict(found)


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
    import torch

    predicted = head.predictions(torch.zeros(1, head.outputs))
    return any(quantity.kind == "sigma" for quantity in predicted)
