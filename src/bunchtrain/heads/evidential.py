"""Evidential regression: a distribution over Gaussians in one network (arXiv:1910.02600).

The network gives γ, ν, α > 1 and β of a normal-inverse-gamma distribution of mean and variance. The
value then follows Student's t with 2α degrees of freedom about γ, of scale² β(1 + ν)/(να):

ℓ = ½ log(π/ν) − α log Ω + (α + ½) log((y − γ)² ν + Ω) + log[Γ(α)/Γ(α + ½)], Ω = 2β(1 + ν),

and the evidence of wrong predictions is held down by λ |y − γ| (2ν + α). The paper makes ν, α − 1
and β positive by softplus; here they are exponentials, so that a unit is a shift of the output.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import need_between, need_values, values

#: Bound on |log ν|, |log(α − 1)| and |log β|.
BOUND = 12.0


class Evidential(Loss):
    """Evidential regression: predicts each value, its width, and how sure it is of both.

    The outputs are all γ, then all log ν, log(α − 1) and log β (arXiv:1910.02600).

    strength  factor λ on the evidence of wrong predictions, per unit of the target.
    """

    def __init__(self, target: TargetShape, *, strength: float = 0.01) -> None:
        super().__init__(target)
        need_values(target, "evidential")
        need_between(strength, 0, math.inf, "evidential", "strength")
        self.strength = strength

    @property
    def outputs(self) -> int:
        """Four numbers for each value."""
        return 4 * len(self.target.values)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        gamma, nu, alpha, beta = _parameters(outputs[self.target.name])
        residual = values(batch, self.target) - gamma
        omega = 2 * beta * (1 + nu)
        likelihood = (
            0.5 * (math.pi / nu).log()
            - alpha * omega.log()
            + (alpha + 0.5) * (residual.square() * nu + omega).log()
            + torch.lgamma(alpha)
            - torch.lgamma(alpha + 0.5)
        )
        evidence = residual.abs() * (2 * nu + alpha)
        return (likelihood + self.strength * evidence).sum(1)

    def in_units(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation for γ, and log deviation² as a shift of log β."""
        none, one = torch.zeros_like(mean), torch.ones_like(mean)
        shift = torch.cat([mean, none, none, 2 * deviation.log()])
        return shift, torch.cat([deviation, one, one, one])

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return `<value>` = γ, `<value>_sigma` and `<value>_sigma_model`, (batch,) each.

        The variance is ⟨σ²⟩ = β/(α − 1) and that of the mean ⟨σ²⟩/ν; `_sigma` is the root of both
        together, `_sigma_model` that of the second.
        """
        gamma, nu, alpha, beta = _parameters(output)
        noise = beta / (alpha - 1)
        found: dict[str, Tensor] = {}
        for number, name in enumerate(self.target.values):
            model = noise[:, number] / nu[:, number]
            found[name] = gamma[:, number]
            found[f"{name}_sigma"] = (noise[:, number] + model).sqrt()
            found[f"{name}_sigma_model"] = model.sqrt()
        return found


def _parameters(output: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return γ, ν, α and β, (batch, value) each."""
    gamma, *logs = output.float().chunk(4, -1)
    nu, excess, beta = (log.clamp(-BOUND, BOUND).exp() for log in logs)
    return gamma, nu, 1 + excess.clamp(min=1e-5), beta
