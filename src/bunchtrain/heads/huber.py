"""Huber loss: quadratic near zero, linear in the tails (Huber, Ann. Math. Statist. 35, 73, 1964).

ℓ(r) = r²/2 for |r| ≤ δ, and δ (|r| − δ/2) beyond, with r = μ − y.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from bunchtrain.heads._loss import TargetShape
from bunchtrain.heads._regression import Regression
from bunchtrain.heads._targets import need_between


class Huber(Regression):
    """Huber loss: quadratic for |μ − y| ≤ δ, linear beyond; robust against outliers.

    delta  residual at which the loss turns linear, in units of the target.
    """

    def __init__(self, target: TargetShape, *, delta: float = 1.0) -> None:
        super().__init__(target)
        need_between(delta, 1e-12, math.inf, "huber", "delta")
        self.delta = delta

    def loss(self, residual: Tensor) -> Tensor:
        """Return r²/2 or δ (|r| − δ/2)."""
        return functional.huber_loss(
            residual, residual.new_zeros(()).expand_as(residual), reduction="none", delta=self.delta
        )
