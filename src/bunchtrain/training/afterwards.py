"""What is fitted once a network is trained: its posterior and its calibrations."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.data import Data
from bunchtrain.training.trees import Normalised
from bunchtrain.uncertainty.posterior import Posterior


def fit_afterwards(trained_model: TrainedModel, data: Data) -> None:
    """Fit the posterior on the training set and the calibrations on the validation set.

    Raises DataError if the validation set is too small for a calibration.
    """
    model = trained_model.network.model
    learns = isinstance(model, Posterior) and model.learns
    if not learns and not trained_model.task.calibration:
        return
    trained_model.network.cpu().eval()
    whole = data if data.workers == 1 else _alone(data)
    if isinstance(model, Posterior) and learns:
        with torch.no_grad():
            model.learn(
                Normalised(whole, trained_model.network, "train"), likelihood(trained_model, whole)
            )
    if trained_model.task.calibration:
        calibrate(trained_model, whole.batches("validation", None))


def _alone(data: Data) -> Data:
    """Return the data of one worker, which sees all events."""
    whole = Data(data.task)
    whole.load()
    return whole


class Likelihood:
    """−log likelihood of events, their weights scaled to mean 1.

    Where the loss is a mean square, it is that of a Gaussian of constant width, fitted on the
    training set: V ℓ/(2 s²) for V values, with s² = ⟨ℓ⟩.
    """

    def __init__(self, trained_model: TrainedModel) -> None:
        self.network = trained_model.network
        ((self.objective, _),) = trained_model.task.objectives()
        self.factor = 1.0

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return (batch,) from the model's outputs, before they are brought to their units."""
        scaled = outputs * self.network.scale + self.network.shift
        losses: Tensor = self.objective({self.objective.target.name: scaled}, batch)
        return self.factor * (batch.weight if len(batch.weight) else 1.0) * losses

    def fit(self, batches: Iterator[Batch]) -> None:
        """Find the mean weight, and the width."""
        losses, weights, events = 0.0, 0.0, 0
        for batch in batches:
            weights += float(batch.weight.sum())
            events += len(batch)
            outputs = self.network.members(batch.inputs)[0]
            losses += float((batch.weight * self.objective(outputs, batch)).sum())
        self.factor = events / weights
        if self.objective.target.values and type(self.objective).__name__ == "MeanSquaredError":
            self.factor *= len(self.objective.target.values) * weights / (2 * losses)


def likelihood(trained_model: TrainedModel, data: Data) -> Likelihood:
    """Return the likelihood that a network's objective stands for."""
    made = Likelihood(trained_model)
    made.fit(data.batches("train", None))
    return made


def calibrate(trained_model: TrainedModel, batches: Iterator[Batch]) -> None:
    """Fit an trained_model's calibrations on these events, one after the other."""
    held = [(trained_model.scores(batch), batch) for batch in batches if len(batch)]
    weight = torch.cat([batch.weight for _, batch in held])
    fitted = trained_model.task.calibrations()
    for target, calibrations in fitted.items():
        names = held[0][0][target]
        scores = {name: torch.cat([found[target][name] for found, _ in held]) for name in names}
        truth = torch.cat([batch.targets[target] for _, batch in held])
        for calibration in calibrations:
            calibration.fit(scores, truth, weight)
            scores = calibration.apply(scores)
    trained_model.calibrations = fitted
