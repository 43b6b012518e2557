"""Huber loss: quadratic near zero, linear in the tails (Huber, Ann. Math. Statist. 35, 73, 1964).

ℓ(r) = r²/2 for |r| ≤ δ, and δ (|r| − δ/2) beyond, with r = μ − y. In a training, r and δ are in
standard deviations of the value, and ℓ is divided by a δ < 1, for which gradients would be small.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import RegressionHead
from bunchtrain.parts.ranges import Positive
from bunchtrain.targets import Target


class Huber(RegressionHead):
    """Huber loss: quadratic for |μ − y| ≤ δ, linear beyond; robust against outliers.

    delta  residual at which the loss becomes linear, in units of the target; if unset the standard
           deviation of each value in the training set.
    """

    def __init__(self, target: Target, *, delta: Positive | None = None) -> None:
        super().__init__(target)
        if delta is not None and not 0 < delta < math.inf:
            raise StudyError(f"loss 'huber': option 'delta' must be above 0, got {delta:g}")
        self.delta = delta
        # (value,) δ, in a training in standard deviations, and by what the loss is divided
        self.relative = np.full(len(target.values), 1.0 if delta is None else delta)
        self.norm = np.ones(len(target.values))

    def set_units(self, std: Array) -> None:
        """Set δ in standard deviations of each value, and the factor on the loss."""
        if self.delta is not None:
            self.relative = self.delta / std
            self.norm = np.minimum(self.relative, 1)

    def residual_loss(self, residual: Tensor) -> Tensor:
        """Return r²/2 or δ (|r| − δ/2), divided by δ where it is below 1 in a training."""
        delta, size = residual.new_tensor(self.relative), residual.abs()
        loss = torch.where(size <= delta, residual.square() / 2, delta * (size - delta / 2))
        return loss / residual.new_tensor(self.norm)
