"""Binary cross-entropy of one logit m for the second of two classes.

ℓ = log(1 + e^m) − y m, with y = 1 for the second class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._arrays import sigmoid
from bunchtrain.heads._head import Head
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution


class BinaryCrossEntropy(Head):
    """Binary cross-entropy: one logit for the second of two classes."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_classes(2)

    @property
    def outputs(self) -> int:
        """One logit."""
        return 1

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        from torch.nn import functional

        logit = outputs[self.target.name].float().squeeze(1)
        second = self.class_index(batch).float()
        return functional.binary_cross_entropy_with_logits(logit, second, reduction="none")

    def array_losses(self, output: Array, batch: Batch) -> Array:
        """Return the losses (batch,)."""
        logit = output[:, 0].astype(np.float32)
        return np.asarray(np.logaddexp(0, logit) - self.class_index(batch) * logit)

    def constant_output(self, batch: Batch) -> Array:
        """Return the logit of the share of the second class, (1,)."""
        share = np.average(self.class_index(batch), weights=batch.weights.astype(np.float64))
        first, second = np.maximum([1 - share, share], 1e-30)
        return np.array([np.log(second / first)])

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the logit of the mean probability, (batch, 1)."""
        from torch.nn import functional

        logits = draws.float()
        second = functional.logsigmoid(logits).logsumexp(0)
        return second - functional.logsigmoid(-logits).logsumexp(0)

    def distribution(self, output: Tensor) -> Distribution:
        """Return the distribution of the class index, (batch,)."""
        from torch.distributions import Bernoulli

        return Bernoulli(logits=output.float().squeeze(1))

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the probabilities of the two classes, (batch,) each."""
        logit = output.squeeze(1)
        first, second = self.target.classes
        return {Quantity(first): sigmoid(-logit), Quantity(second): sigmoid(logit)}
