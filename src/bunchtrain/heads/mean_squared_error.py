"""Mean squared error: ℓ = (μ − y)², whose minimum is the conditional mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._head import RegressionHead


class MeanSquaredError(RegressionHead):
    """Mean squared error, (μ − y)²: predicts the conditional mean."""

    def residual_loss(self, residual: Any) -> Any:
        """Return (μ − y)²."""
        return residual * residual

    def constant_output(self, batch: Batch) -> Array:
        """Return the mean of each value, (outputs,)."""
        values = self.true_values(batch).astype(np.float64)
        return np.asarray(np.average(values, axis=0, weights=batch.weights))
