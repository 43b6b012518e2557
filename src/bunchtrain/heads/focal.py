"""Focal loss: cross-entropy that looks away from the events that are easy.

ℓ = −(1 − p_y)^γ log p_y (arXiv:1708.02002), with p = softmax(output); γ = 0 is cross-entropy.
"""

from __future__ import annotations

import math

from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import class_numbers, need_between, need_classes


class Focal(Loss):
    """Focal loss, −(1 − p_y)^γ log p_y, for rare classes (arXiv:1708.02002).

    gamma  how strongly events that are already right are looked away from; the paper's is 2.
    """

    def __init__(self, target: TargetShape, *, gamma: float = 2.0) -> None:
        super().__init__(target)
        need_classes(target, "focal")
        need_between(gamma, 0, math.inf, "focal", "gamma")
        self.gamma = gamma

    @property
    def outputs(self) -> int:
        """One output, a logit, for each class."""
        return len(self.target.classes)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        logs = outputs[self.target.name].float().log_softmax(1)
        right = logs.gather(1, class_numbers(batch, self.target)[:, None]).squeeze(1)
        missed = -right.clamp(max=-1e-12).expm1()  # 1 − p_y, kept off 0 for its gradient
        return -(missed**self.gamma) * right

    def pool(self, draws: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (batch, outputs)."""
        return draws.float().log_softmax(-1).logsumexp(0) - math.log(len(draws))

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return softmax(output) by the names of the classes, (batch,) each."""
        probabilities = output.float().softmax(1)
        return dict(zip(self.target.classes, probabilities.unbind(1), strict=True))
