"""Log-cosh loss: ℓ = log cosh(μ − y), quadratic near zero and linear in the tails, smooth.

In a training, μ − y is in standard deviations of the value in the training set.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from bunchtrain.heads._head import RegressionHead


class LogCosh(RegressionHead):
    """Log-cosh loss, log cosh(μ − y): a smooth loss that is robust against outliers."""

    def residual_loss(self, residual: Tensor) -> Tensor:
        """Return |r| + log(1 + e^{−2|r|}) − log 2, which is log cosh r without overflow."""
        size = residual.abs()
        return size + functional.softplus(-2 * size) - math.log(2)
