"""Mean squared error: ℓ = (μ − y)², whose minimum is the conditional mean."""

from __future__ import annotations

from torch import Tensor

from bunchtrain.heads._regression import Regression


class MeanSquaredError(Regression):
    """Mean squared error, (μ − y)²: predicts the conditional mean."""

    def loss(self, residual: Tensor) -> Tensor:
        """Return (μ − y)²."""
        return residual.square()
