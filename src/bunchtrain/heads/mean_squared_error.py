"""Mean squared error: ℓ = (μ − y)², whose minimum is the conditional mean."""

from __future__ import annotations

from torch import Tensor

from bunchtrain.heads._head import RegressionHead


class MeanSquaredError(RegressionHead):
    """Mean squared error, (μ − y)²: predicts the conditional mean."""

    def residual_loss(self, residual: Tensor) -> Tensor:
        """Return (μ − y)²."""
        return residual.square()
