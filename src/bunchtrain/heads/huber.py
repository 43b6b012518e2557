"""Huber loss: quadratic near zero, linear in the tails (Huber, Ann. Math. Statist. 35, 73, 1964).

ℓ(r) = r²/2 for |r| ≤ δ, and δ (|r| − δ/2) beyond, with r = μ − y.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from bunchtrain.heads._head import RegressionHead
from bunchtrain.targets import Target


class Huber(RegressionHead):
    """Huber loss: quadratic for |μ − y| ≤ δ, linear beyond; robust against outliers.

    delta  residual at which the loss becomes linear, in units of the target.
    """

    def __init__(self, target: Target, *, delta: float = 1.0) -> None:
        super().__init__(target)
        self.require_between("delta", delta, 1e-12, math.inf)
        self.delta = delta

    def residual_loss(self, residual: Tensor) -> Tensor:
        """Return r²/2 or δ (|r| − δ/2)."""
        zeros = residual.new_zeros(()).expand_as(residual)
        return functional.huber_loss(residual, zeros, reduction="none", delta=self.delta)
