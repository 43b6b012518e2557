"""Binary cross-entropy of one logit m for the second of two classes.

ℓ = log(1 + e^m) − y m, with y = 1 for the second class.
"""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Bernoulli, Distribution
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.targets import Quantity, Target


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
        logit = outputs[self.target.name].float().squeeze(1)
        second = self.class_index(batch).float()
        return functional.binary_cross_entropy_with_logits(logit, second, reduction="none")

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the logit of the mean probability, (batch, 1)."""
        logits = draws.float()
        second = functional.logsigmoid(logits).logsumexp(0)
        return second - functional.logsigmoid(-logits).logsumexp(0)

    def distribution(self, output: Tensor) -> Distribution:
        """Return the distribution of the class index, (batch,)."""
        return Bernoulli(logits=output.float().squeeze(1))

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return the probabilities of the two classes, (batch,) each."""
        logit = output.float().squeeze(1)
        first, second = self.target.classes
        return {Quantity(first): (-logit).sigmoid(), Quantity(second): logit.sigmoid()}
