"""Mean absolute error: ℓ = |μ − y|, whose minimum is the conditional median."""

from __future__ import annotations

from typing import Any

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._arrays import weighted_quantiles
from bunchtrain.heads._head import RegressionHead


class MeanAbsoluteError(RegressionHead):
    """Mean absolute error, |μ − y|: predicts the conditional median."""

    def residual_loss(self, residual: Any) -> Any:
        """Return |μ − y|."""
        return abs(residual)

    def constant_output(self, batch: Batch) -> Array:
        """Return the median of each value, (outputs,)."""
        half, values = np.array([0.5]), self.true_values(batch)
        return np.concatenate([weighted_quantiles(x, batch.weights, half) for x in values.T])
