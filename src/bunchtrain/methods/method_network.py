"""A method with its own loss and the normalisation of its inputs, as one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.methods.protocols import CONDITION, Generates
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.unsupervised._method import Method
from bunchtrain.methods.weighted_sum import BeforeLoss, Term, WeightedSums, event_weights
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import LOG_LIKELIHOOD


class MethodNetwork(Network):
    """Normalisation and method as one module, which is trained without targets and heads.

    normalisation  maps input tensors to input tensors, fitted on the training set.
    method         network with its own loss.
    """

    def __init__(self, normalisation: NormalisationLayer, method: Method) -> None:
        super().__init__(normalisation, method, {})

    @property
    def method(self) -> Method:
        """The network with its own loss."""
        assert isinstance(self.model, Method)
        return self.model

    def predict(self, inputs: dict[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the predicted quantities, (batch,) each; log likelihoods in units of the data."""
        found = self.method.predict(self.normalise(inputs))
        if LOG_LIKELIHOOD in found:
            found[LOG_LIKELIHOOD] = found[LOG_LIKELIHOOD] - self._log_scale()
        return found

    def _log_scale(self) -> Tensor:
        """Return Σ ln scale, by which a density in units of the data is smaller."""
        scale = self.normalisation.get_buffer(f"{self.method.tensor}_scale")
        return scale.log().sum()

    def loss_sums(
        self, terms: Sequence[Term], batch: Batch, before: BeforeLoss | None = None
    ) -> WeightedSums:
        """Return Σ w ℓ and Σ w over a batch; `terms` is empty, `before` gets normalised inputs."""
        inputs = self.normalise(batch.inputs)
        if before:
            before(inputs, batch)
        losses = self.method.losses(inputs)
        weight = event_weights(batch, next(iter(losses.values())))
        sums = {
            f"{self.method.name}/{term}": (weight * loss).sum() for term, loss in losses.items()
        }
        return WeightedSums(sums, torch.stack(list(sums.values())).sum(), weight.sum())

    @torch.inference_mode()
    def generate(self, count: int, condition: Tensor | None) -> dict[str, Tensor]:
        """Return generated events as tensors in the units of the data.

        count      number of events.
        condition  (count, condition) in the units of the data, None for a method without.

        Raises StudyError if the method does not generate, or if the condition is missing.
        """
        method: Any = self.method
        if not isinstance(self.method, Generates):
            raise StudyError(
                f"method '{method.name}' does not generate events; choose "
                "'normalizing_flow' or 'flow_matching'"
            )
        if (condition is None) == bool(method.condition):
            needs = "needs" if method.condition else "takes no"
            raise StudyError(f"method '{method.name}' {needs} condition to generate events")
        given = None
        if condition is not None:
            given = self.normalisation({CONDITION: condition})[CONDITION]
        normalisation: Any = self.normalisation
        return dict(normalisation.inverse({method.tensor: method.generate(count, given)}))
