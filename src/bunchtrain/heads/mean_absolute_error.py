"""Mean absolute error: ℓ = |μ − y|, whose minimum is the conditional median."""

from __future__ import annotations

from torch import Tensor

from bunchtrain.heads._head import RegressionHead


class MeanAbsoluteError(RegressionHead):
    """Mean absolute error, |μ − y|: predicts the conditional median."""

    def residual_loss(self, residual: Tensor) -> Tensor:
        """Return |μ − y|."""
        return residual.abs()
