"""Fits after the training by gradient: ranges of number formats, posterior and calibrations."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.methods.build import build_losses
from bunchtrain.methods.protocols import CalibratesRanges
from bunchtrain.methods.supervised import Network
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.data import Data, NormalisedBatches
from bunchtrain.uncertainty.calibration import build_calibrations
from bunchtrain.uncertainty.posterior import Posterior


def calibrate_ranges(network: Network, data: Data) -> None:
    """Set the ranges of a quantised model's number formats from the training set."""
    if isinstance(network.model, CalibratesRanges):
        batches = NormalisedBatches(_all_events(data), network.cpu(), "train")
        network.model.calibrate_ranges(_Inputs(batches))


class _Inputs:
    """The inputs of batches, which can be iterated repeatedly."""

    def __init__(self, batches: NormalisedBatches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (batch.inputs for batch in self.batches)


def fit_post_hoc(trained_model: TrainedModel, data: Data) -> None:
    """Fit the posterior on the training set and the calibrations on the validation set.

    Raises DataError if the validation set is too small for a calibration.
    """
    network, model = trained_model.network, trained_model.network.model
    fits_posterior = isinstance(model, Posterior) and model.fits_after_training
    if not fits_posterior and not trained_model.task.calibration:
        return
    complete = _all_events(data)
    if isinstance(model, Posterior) and fits_posterior:
        with torch.no_grad():
            likelihood = Likelihood(trained_model)
            likelihood.fit(complete.batches("train", None))
            model.fit_posterior(NormalisedBatches(complete, network, "train"), likelihood)
    if trained_model.task.calibration:
        fit_calibrations(trained_model, complete.batches("validation", None))


def _all_events(data: Data) -> Data:
    """Return the data with the events of all workers."""
    if data.workers == 1:
        return data
    complete = Data(data.task)
    complete.load()
    return complete


class Likelihood:
    """−log likelihood of events, their weights scaled to mean 1.

    If the loss is a mean square, it is that of a Gaussian of constant width, fitted on the training
    set: V ℓ/(2 s²) for V values, with s² = ⟨ℓ⟩.
    """

    def __init__(self, trained_model: TrainedModel) -> None:
        assert isinstance(trained_model.network, Network)
        self.network = trained_model.network
        ((self.loss, _),) = build_losses(trained_model.task, trained_model.network)
        self.factor = 1.0

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return (batch,) from the model's outputs for a batch of standardised values."""
        losses: Tensor = self.loss({self.loss.target.name: outputs}, batch)
        return self.factor * (batch.weight if len(batch.weight) else 1.0) * losses

    def fit(self, batches: Iterator[Batch]) -> None:
        """Determine the mean weight, and the width."""
        losses, weights, events = 0.0, 0.0, 0
        for arrays in batches:
            batch = arrays.tensors()
            weights += float(batch.weight.sum())
            events += len(batch)
            outputs = self.network.members(batch.inputs)[0]
            own = self.loss(outputs, self.network.standardise(batch))
            losses += float((batch.weight * own).sum())
        self.factor = events / weights
        if self.loss.name == "mean_squared_error":
            self.factor *= len(self.loss.target.values) * weights / (2 * losses)


def fit_calibrations(trained_model: TrainedModel, batches: Iterator[Batch]) -> None:
    """Fit the calibrations of a trained model in their order on these events."""
    found = [(trained_model.uncalibrated(batch), batch) for batch in batches if len(batch)]
    weight = torch.cat([batch.tensors().weight for _, batch in found])
    calibrations = build_calibrations(trained_model.task)
    for target, of_target in calibrations.items():
        predictions = {
            quantity: torch.cat([torch.as_tensor(one[target][quantity]) for one, _ in found])
            for quantity in found[0][0][target]
        }
        truth = torch.cat([batch.tensors().targets[target] for _, batch in found])
        for calibration in of_target:
            calibration.fit(predictions, truth, weight)
            predictions = calibration.apply(predictions)
    trained_model.calibrations = calibrations
