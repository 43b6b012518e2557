"""Extended log likelihood ratio of two samples, of one output f for the second of two classes.

ℓ = e^f − 1 for the first class (the reference), −f for the second (the data). At the minimum of
Σ w ℓ, f is the logarithm of the ratio of their densities, with the ratio of their numbers, and
t = −2 Σ w ℓ is the test statistic of new physics (arXiv:1806.02350, equation 11), if the weights
of the reference are the expected number of its events divided by their number.
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

#: Largest f in the exponential, which continues as a straight line so that it does not overflow.
_LIMIT = 30.0


class LikelihoodRatio(Head):
    """Extended log likelihood ratio of data, the second class, to a reference (arXiv:1806.02350).

    The probability of the second class is 1 / (1 + e^−f), f being the log likelihood ratio.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_classes(2)

    @property
    def outputs(self) -> int:
        """One log likelihood ratio."""
        return 1

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        ratio = outputs[self.target.name].float().squeeze(1)
        low = ratio.clamp(max=_LIMIT)
        reference = low.expm1() + low.exp() * (ratio - low)
        return reference.where(self.class_index(batch) == 0, -ratio)

    def array_losses(self, output: Array, batch: Batch) -> Array:
        """Return the losses (batch,)."""
        ratio = output[:, 0].astype(np.float32)
        low = np.minimum(ratio, _LIMIT)
        reference = np.expm1(low) + np.exp(low) * (ratio - low)
        return np.asarray(np.where(self.class_index(batch) == 0, reference, -ratio))

    def constant_output(self, batch: Batch) -> Array:
        """Return the logarithm of the ratio of the sums of weights, (1,)."""
        share = np.average(self.class_index(batch), weights=batch.weights.astype(np.float64))
        first, second = np.maximum([1 - share, share], 1e-30)
        return np.array([np.log(second / first)])

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the probabilities of the two classes, (batch,) each."""
        ratio = output.squeeze(1)
        first, second = self.target.classes
        return {Quantity(first): sigmoid(-ratio), Quantity(second): sigmoid(ratio)}
