"""Evidential regression: a distribution over Gaussians in one network (arXiv:1910.02600).

The network gives γ, ν, α > 1 and β of a normal-inverse-gamma distribution of mean and variance. The
value then follows Student's t with 2α degrees of freedom about γ, of scale² β(1 + ν)/(να):

ℓ = ½ log(π/ν) − α log Ω + (α + ½) log((y − γ)² ν + Ω) + log[Γ(α)/Γ(α + ½)], Ω = 2β(1 + ν),

with a regularisation of the evidence of wrong predictions, λ |y − γ| (2ν + α), where |y − γ| is in
standard deviations of the value in the training set. The paper makes ν,
α − 1 and β positive by softplus; here they are exponentials, so that a unit is a shift of the
output.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, StudentT

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._head import Head
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.targets import Quantity, Target

#: Bound on |log ν|, |log(α − 1)| and, for a standardised value, |log β|.
BOUND = 12.0
#: Bound on |log β| in the units of the value, for which e^{±80} is finite in float32.
UNIT_BOUND = 80.0


class Evidential(Head):
    """Evidential regression: predicts each value, its variance, and the uncertainty of both.

    The outputs are all γ, then all log ν, log(α − 1) and log β (arXiv:1910.02600).

    strength  factor λ on the evidence of wrong predictions, per standard deviation of the value.
    """

    def __init__(self, target: Target, *, strength: NonNegative = 0.01) -> None:
        super().__init__(target)
        self.require_values()
        self.require_between("strength", strength, 0, math.inf)
        self.strength = strength

    @property
    def outputs(self) -> int:
        """Four parameters for each value."""
        return 4 * len(self.target.values)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        gamma, nu, alpha, beta = _parameters(outputs[self.target.name], BOUND)
        residual = self.true_values(batch) - gamma
        omega = 2 * beta * (1 + nu)
        likelihood = (
            0.5 * (math.pi / nu).log()
            - alpha * omega.log()
            + (alpha + 0.5) * (residual.square() * nu + omega).log()
            + torch.lgamma(alpha)
            - torch.lgamma(alpha + 0.5)
        )
        evidence = residual.abs() * (2 * nu + alpha)
        losses: Tensor = (likelihood + self.strength * evidence).sum(1)
        return losses

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and std for γ, and log std² as a shift of log β."""
        zero, one = np.zeros_like(mean), np.ones_like(mean)
        shift = np.concatenate([mean, zero, zero, 2 * np.log(std)])
        return shift, np.concatenate([std, one, one, one])

    def distribution(self, output: Tensor) -> Distribution:
        """Return Student's t of each value, independent, (batch, value)."""
        gamma, nu, alpha, beta = _parameters(output, UNIT_BOUND)
        scale = (beta * (1 + nu) / (nu * alpha)).sqrt()
        return Independent(StudentT(2 * alpha, gamma, scale), 1)

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return γ of each value, the total σ and that of the mean alone, (batch,) each.

        The variance is ⟨σ²⟩ = β/(α − 1) and that of the mean ⟨σ²⟩/ν; `sigma` is the root of their
        sum, `sigma_model` that of the second.
        """
        gamma, nu, alpha, beta = _parameters(output, UNIT_BOUND)
        noise = beta / (alpha - 1)
        found: dict[Quantity, Tensor] = {}
        for index, value in enumerate(self.target.values):
            model = noise[:, index] / nu[:, index]
            found[Quantity(value)] = gamma[:, index]
            found[Quantity(value, "sigma")] = (noise[:, index] + model).sqrt()
            found[Quantity(value, "sigma_model")] = model.sqrt()
        return found


def _parameters(output: Tensor, bound: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return γ, ν, α and β, (batch, value) each, with |log β| up to the bound."""
    gamma, *logs = output.float().chunk(4, -1)
    bounds = (BOUND, BOUND, bound)
    nu, excess, beta = (
        log.clamp(-limit, limit).exp() for log, limit in zip(logs, bounds, strict=True)
    )
    return gamma, nu, 1 + excess.clamp(min=1e-5), beta
