"""Mean absolute error: ℓ = |μ − y|, whose minimum is the conditional median."""

from __future__ import annotations

from torch import Tensor

from bunchtrain.heads._regression import Regression


class MeanAbsoluteError(Regression):
    """Mean absolute error, |μ − y|: predicts the conditional median."""

    def loss(self, residual: Tensor) -> Tensor:
        """Return |μ − y|."""
        return residual.abs()
