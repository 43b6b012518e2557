"""Binary cross-entropy of one logit m for the second of two classes.

ℓ = log(1 + e^m) − y m, with y = 1 for the second class.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import class_numbers, need_classes


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy: one logit for the second of two classes."""

    def __init__(self, target: TargetShape) -> None:
        super().__init__(target)
        need_classes(target, "binary_cross_entropy", 2)

    @property
    def outputs(self) -> int:
        """One logit."""
        return 1

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        logit = outputs[self.target.name].float().squeeze(1)
        second = class_numbers(batch, self.target).float()
        return functional.binary_cross_entropy_with_logits(logit, second, reduction="none")

    def pool(self, draws: Tensor) -> Tensor:
        """Return the logit of the mean probability, (batch, 1)."""
        logits = draws.float()
        return functional.logsigmoid(logits).logsumexp(0) - functional.logsigmoid(
            -logits
        ).logsumexp(0)

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return the probabilities of the two classes by their names, (batch,) each."""
        logit = output.float().squeeze(1)
        first, second = self.target.classes
        return {first: (-logit).sigmoid(), second: logit.sigmoid()}
