"""Base of the methods that are fit in one call: classical baselines of the networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.methods.unsupervised._method import Method
from bunchtrain.methods.weighted_sum import event_weights

Array = NDArray[Any]


class FitMethod(Method):
    """A method that is fit to all training events at once, which must fit the memory."""

    @abstractmethod
    def fit_values(self, values: Array, weight: Array, seed: int, threads: int) -> None:
        """Fit to normalised values, (events, value) float64, with weights (events,)."""

    def fit(
        self, training: Iterable[Batch], validation: Iterable[Batch], *, seed: int, threads: int
    ) -> list[dict[str, float]]:
        """Fit on normalised batches; return the mean losses on both sets, as one round.

        Raises DataError without training events, and StudyError for negative weights.
        """
        values, weights = list[Array](), list[Array]()
        for batch in training:
            tensors = [batch.inputs[name].flatten(1) for name in self.input_names]
            values.append(torch.cat(tensors, 1).double().numpy())
            weights.append(event_weights(batch, tensors[0]).double().numpy())
        if not sum(map(len, weights)):
            raise DataError("the training set has no events; loosen 'select' or change 'split'")
        weight = np.concatenate(weights)
        if (weight < 0).any():
            raise StudyError(
                f"method '{self.name}' supports no negative weights; set 'weights.negative' to "
                "'absolute' or 'drop'"
            )
        self.fit_values(np.concatenate(values), weight, seed, threads)
        both = {"training_loss": training, "validation_loss": validation}
        return [{name: self._mean_loss(batches) for name, batches in both.items()}]

    def _mean_loss(self, batches: Iterable[Batch]) -> float:
        total = weights = 0.0
        with torch.inference_mode():
            for batch in batches:
                loss = torch.stack(list(self.losses(batch.inputs).values())).sum(0)
                weight = event_weights(batch, loss)
                total += float((weight * loss).sum())
                weights += float(weight.sum())
        return total / weights if weights else float("nan")


def resample(values: Array, weight: Array, seed: int) -> Array:
    """Return events drawn in proportion to their weights, all of them if these are equal.

    For fits that support no weights.
    """
    if np.ptp(weight) == 0:
        return values
    random = np.random.default_rng(seed)
    return values[random.choice(len(values), len(values), p=weight / weight.sum())]
