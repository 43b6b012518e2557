"""Gaussian negative log-likelihood with predicted mean and variance (Nix, Weigend, ICNN 1994).

ℓ = ½ Σ_v [log 2π + s_v + (y_v − μ_v)² e^{−s_v}] with s = log σ²; arXiv:1612.01474 builds
ensembles on it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._head import Head, by_label
from bunchtrain.targets import Quantity, Target

#: Bound on |log σ²| of a standardised value: far beyond any resolution, and finite when squared.
BOUND = 30.0
#: Bound on |log σ²| in the units of the value, for which e^{±80} is finite in float32.
UNIT_BOUND = 80.0


class GaussianNLL(Head):
    """Gaussian negative log-likelihood: predicts each value and its uncertainty (arXiv:1612.01474).

    The outputs are all means, then all logarithms of the variances.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_values()

    @property
    def outputs(self) -> int:
        """A mean and a log-variance for each value."""
        return 2 * len(self.target.values)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        mean, log_variance = outputs[self.target.name].float().chunk(2, 1)
        log_variance = log_variance.clamp(-BOUND, BOUND)
        squares = (self.true_values(batch) - mean).square() * (-log_variance).exp()
        losses: Tensor = 0.5 * (math.log(2 * math.pi) + log_variance + squares).sum(1)
        return losses

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and std for the means, and log std² as a shift of the log-variances."""
        shift = np.concatenate([mean, 2 * np.log(std)])
        return shift, np.concatenate([std, np.ones_like(std)])

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return mean and log-variance of the mixture, σ² = ⟨σ_d²⟩ + ⟨μ_d²⟩ − ⟨μ_d⟩²."""
        means, log_variances = draws.float().chunk(2, -1)
        variance = log_variances.clamp(-UNIT_BOUND, UNIT_BOUND).exp().mean(0) + means.var(
            0, correction=0
        )
        return torch.cat([means.mean(0), variance.log()], -1)

    def distribution(self, output: Tensor) -> Distribution:
        """Return independent Gaussians of the values, (batch, value)."""
        mean, log_variance = output.float().chunk(2, 1)
        std = (0.5 * log_variance.clamp(-UNIT_BOUND, UNIT_BOUND)).exp()
        return Independent(Normal(mean, std), 1)

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return μ and σ of each value, (batch,) each."""
        mean, log_variance = output.float().chunk(2, 1)
        std = (0.5 * log_variance.clamp(-UNIT_BOUND, UNIT_BOUND)).exp()
        stds = zip(self.target.values, std.unbind(1), strict=True)
        return by_label(self.target.values, mean) | {Quantity(v, "sigma"): s for v, s in stds}
