"""Gaussian negative log-likelihood with predicted mean and variance (Nix, Weigend, ICNN 1994).

ℓ = ½ Σ_v [log 2π + s_v + (y_v − μ_v)² e^{−s_v}] with s = log σ²; arXiv:1612.01474 builds
ensembles on it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import need_values, values

#: Bound on |log σ²|: e^{±30} is far beyond any resolution, and finite when squared in float32.
BOUND = 30.0


class GaussianNLL(Loss):
    """Gaussian negative log-likelihood: predicts each value and its uncertainty (arXiv:1612.01474).

    The outputs are all means, then all logarithms of the variances.
    """

    def __init__(self, target: TargetShape) -> None:
        super().__init__(target)
        need_values(target, "gaussian_nll")

    @property
    def outputs(self) -> int:
        """A mean and a log-variance for each value."""
        return 2 * len(self.target.values)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        mean, log_variance = outputs[self.target.name].float().chunk(2, 1)
        log_variance = log_variance.clamp(-BOUND, BOUND)
        squares = (values(batch, self.target) - mean).square() * (-log_variance).exp()
        return 0.5 * (math.log(2 * math.pi) + log_variance + squares).sum(1)

    def in_units(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation for the means, log deviation² as a shift of log-variances."""
        shift = torch.cat([mean, 2 * deviation.log()])
        return shift, torch.cat([deviation, torch.ones_like(deviation)])

    def pool(self, draws: Tensor) -> Tensor:
        """Return mean and log-variance of the mixture, σ² = ⟨σ_d²⟩ + ⟨μ_d²⟩ − ⟨μ_d⟩²."""
        means, log_variances = draws.float().chunk(2, -1)
        variance = log_variances.clamp(-BOUND, BOUND).exp().mean(0) + means.var(0, correction=0)
        return torch.cat([means.mean(0), variance.log()], -1)

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return `<value>` = μ and `<value>_sigma` = σ for each value, (batch,) each."""
        mean, log_variance = output.float().chunk(2, 1)
        sigma = (0.5 * log_variance.clamp(-BOUND, BOUND)).exp()
        named = dict(zip(self.target.values, mean.unbind(1), strict=True))
        widths = zip(self.target.values, sigma.unbind(1), strict=True)
        return named | {f"{name}_sigma": width for name, width in widths}
