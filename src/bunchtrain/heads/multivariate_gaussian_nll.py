"""Gaussian negative log-likelihood of several values with a full covariance.

ℓ = ½ [d log 2π + log det Σ + (y − μ)ᵀ Σ⁻¹ (y − μ)], of d values. HEP.TrkX predicts the next hit of
a track by log det Σ + (y − μ)ᵀ Σ⁻¹ (y − μ) (arXiv:1810.06111). Here Σ = L Lᵀ, L lower triangular
with the rows

    L_v = σ_v (c_v1, …, c_v,v−1, 1, 0, …) / √(1 + Σ_u c_vu²),

so that σ_v is the standard deviation of y_v, and Σ positive definite, for all finite log σ_v and c.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head, by_label
from bunchtrain.targets import Quantity, Target

#: Bound on |log σ_v| of standardised values, on that in the units of the values, and on |c|.
BOUND, UNIT_BOUND, LARGEST = 15.0, 40.0, 100.0


class MultivariateGaussianNLL(Head):
    """Gaussian negative log-likelihood of values with their covariance (arXiv:1810.06111).

    The outputs are all means, then log σ of all values, then c of the pairs (2, 1), (3, 1), (3, 2),
    and so on. Predictions are each value, its σ and the correlation of each pair.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_values()
        self.count = len(target.values)
        if self.count < 2:
            raise StudyError(
                f"loss '{self.name}' needs a target with two or more values, and target "
                f"'{target.name}' has one; use 'gaussian_nll'"
            )
        self.pairs = [(row, column) for row in range(self.count) for column in range(row)]

    @property
    def outputs(self) -> int:
        """Mean and log σ of each value, and c of each pair."""
        return 2 * self.count + len(self.pairs)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        mean, log_sigma, below = self._split(outputs[self.target.name], BOUND)
        pull = (self.true_values(batch) - mean) * (-log_sigma).exp()
        found: list[Tensor] = []  # L⁻¹ (y − μ), by forward substitution
        logs = log_sigma.sum(1)
        for row in range(self.count):
            c = [below[row, column] for column in range(row)]
            square = 1 + sum((one.square() for one in c), torch.zeros_like(logs))
            rest = square.sqrt() * pull[:, row]
            for one, other in zip(c, found, strict=True):
                rest = rest - one * other
            found.append(rest)
            logs = logs - 0.5 * square.log()
        squares = torch.stack(found, 1).square().sum(1)
        return 0.5 * (self.count * math.log(2 * math.pi) + squares) + logs

    def _split(
        self, output: Tensor, bound: float
    ) -> tuple[Tensor, Tensor, dict[tuple[int, int], Tensor]]:
        """Return μ and log σ, (batch, value) each, and c of each pair, (batch,)."""
        count, output = self.count, output.float()
        below = output[:, 2 * count :].clamp(-LARGEST, LARGEST).unbind(1)
        log_sigma = output[:, count : 2 * count].clamp(-bound, bound)
        return output[:, :count], log_sigma, dict(zip(self.pairs, below, strict=True))

    def _factor(self, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return μ, σ (batch, value) and the factor (batch, value, value) of the correlations."""
        mean, log_sigma, below = self._split(output, UNIT_BOUND)
        one, zero = torch.ones_like(log_sigma[:, 0]), torch.zeros_like(log_sigma[:, 0])
        rows = []
        for row in range(self.count):
            c = [below[row, column] for column in range(row)]
            filled = torch.stack([*c, one, *[zero] * (self.count - row - 1)], 1)
            rows.append(filled / filled.square().sum(1, keepdim=True).sqrt())
        return mean, log_sigma.exp(), torch.stack(rows, 1)

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and std for the means, and log std as a shift of log σ; c has no unit."""
        none = np.zeros(len(self.pairs))
        shift = np.concatenate([mean, np.log(std), none])
        return shift, np.concatenate([std, np.ones_like(std), none + 1])

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the outputs of the mixture, Σ = ⟨Σ_d⟩ + ⟨μ_d μ_dᵀ⟩ − ⟨μ_d⟩⟨μ_d⟩ᵀ."""
        split = [self._factor(draw) for draw in draws.unbind()]
        mean = torch.stack([one for one, _, _ in split])
        factors = torch.stack([sigma[:, :, None] * factor for _, sigma, factor in split])
        off = mean - mean.mean(0)
        covariance = (factors @ factors.mT + off[..., :, None] * off[..., None, :]).mean(0)
        factor = self._cholesky(covariance)
        log_sigma = torch.stack([covariance[:, v, v] for v in range(self.count)], 1).log() / 2
        below = torch.stack([factor[pair] / factor[pair[0], pair[0]] for pair in self.pairs], 1)
        return torch.cat([mean.mean(0), log_sigma, below], 1)

    def _cholesky(self, covariance: Tensor) -> dict[tuple[int, int], Tensor]:
        """Return the elements of L, (batch,) each; ONNX has no such decomposition."""
        found: dict[tuple[int, int], Tensor] = {}
        for row in range(self.count):
            for column in range(row + 1):
                rest = covariance[:, row, column]
                for k in range(column):
                    rest = rest - found[row, k] * found[column, k]
                if column == row:
                    found[row, row] = rest.clamp(min=1e-30).sqrt()
                else:
                    found[row, column] = rest / found[column, column]
        return found

    def distribution(self, output: Tensor) -> Distribution:
        """Return the Gaussian of the values, (batch, value)."""
        mean, sigma, factor = self._factor(output)
        return MultivariateNormal(mean, scale_tril=sigma[:, :, None] * factor)

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return μ, σ and the correlations, (batch,) each."""
        mean, sigma, factor = self._factor(output)
        names = self.target.values
        found: dict[Quantity, Tensor] = by_label(names, mean)
        found |= {Quantity(name, "sigma"): sigma[:, v] for v, name in enumerate(names)}
        for row, column in self.pairs:
            label = f"{names[column]}_{names[row]}"
            product = (factor[:, row] * factor[:, column]).sum(1)
            found[Quantity(label, "correlation")] = product
        return found
