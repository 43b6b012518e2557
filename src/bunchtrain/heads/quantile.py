"""Quantile (pinball) loss: its minimum is a quantile of the target.

Koenker and Bassett, Econometrica 46, 33 (1978).

ℓ_τ = max(τ (y − q), (τ − 1)(y − q)), averaged over the levels τ and the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._arrays import unbind, weighted_quantiles
from bunchtrain.heads._head import Head
from bunchtrain.parts.ranges import InnerFractions
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from torch import Tensor


class Quantile(Head):
    """Quantile (pinball) loss: predicts quantiles of the target, by default median and ±1σ.

    levels  probabilities τ of the quantiles, in (0, 1); the outputs are all levels of the first
            value, then of the second, ...
    """

    def __init__(self, target: Target, *, levels: InnerFractions = (0.5, 0.16, 0.84)) -> None:
        super().__init__(target)
        self.require_values()
        if not levels or len(set(levels)) < len(levels):
            raise StudyError("loss 'quantile': option 'levels' must be different numbers")
        for level in levels:
            self.require_between("levels", level, 1e-12, 1)
        self.levels = levels

    @property
    def outputs(self) -> int:
        """One output for each value and level."""
        return len(self.target.values) * len(self.levels)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        import torch

        shape = (-1, len(self.target.values), len(self.levels))
        quantiles = outputs[self.target.name].float().reshape(shape)
        residual = self.true_values(batch)[:, :, None] - quantiles  # (batch, value, level)
        level = residual.new_tensor(self.levels)
        return torch.maximum(level * residual, (level - 1) * residual).mean((1, 2))

    def array_losses(self, output: Array, batch: Batch) -> Array:
        """Return the losses (batch,)."""
        quantiles = output.astype(np.float32).reshape(-1, len(self.target.values), len(self.levels))
        residual = self.true_values(batch)[:, :, None] - quantiles  # (batch, value, level)
        level = np.array(self.levels, np.float32)
        return np.asarray(np.maximum(level * residual, (level - 1) * residual).mean((1, 2)))

    def constant_output(self, batch: Batch) -> Array:
        """Return the quantiles of all events, (outputs,)."""
        levels, values = np.array(self.levels), self.true_values(batch)
        return np.concatenate([weighted_quantiles(x, batch.weights, levels) for x in values.T])

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of each value, for all its levels."""
        levels = len(self.levels)
        return np.repeat(mean, levels), np.repeat(std, levels)

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the quantiles, (batch,) each; that of τ = 0.5 is the prediction of the value."""
        quantities = [
            Quantity(value) if level == 0.5 else Quantity(value, "quantile", level)
            for value in self.target.values
            for level in self.levels
        ]
        return dict(zip(quantities, unbind(output), strict=True))
