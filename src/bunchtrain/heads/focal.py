"""Focal loss: cross-entropy that down-weights well-classified events.

ℓ = −(1 − p_y)^γ log p_y (arXiv:1708.02002), with p = softmax(output); γ = 0 is cross-entropy.
"""

from __future__ import annotations

import math

from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._head import SoftmaxHead
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.targets import Target


class Focal(SoftmaxHead):
    """Focal loss, −(1 − p_y)^γ log p_y, for rare classes (arXiv:1708.02002).

    gamma  exponent that down-weights well-classified events; the paper's is 2.
    """

    def __init__(self, target: Target, *, gamma: NonNegative = 2.0) -> None:
        super().__init__(target)
        self.require_between("gamma", gamma, 0, math.inf)
        self.gamma = gamma

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        logs = outputs[self.target.name].float().log_softmax(1)
        log_true = logs.gather(1, self.class_index(batch)[:, None]).squeeze(1)
        other = -log_true.clamp(max=-1e-12).expm1()  # 1 − p_y, kept off 0 for its gradient
        return -(other**self.gamma) * log_true
