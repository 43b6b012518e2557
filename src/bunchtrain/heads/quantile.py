"""Quantile (pinball) loss: its minimum is a quantile of the target.

Koenker and Bassett, Econometrica 46, 33 (1978).

ℓ_τ = max(τ (y − q), (τ − 1)(y − q)), averaged over the levels τ and the values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import need_between, need_values, values


class Quantile(Loss):
    """Quantile (pinball) loss: predicts quantiles of the target, by default median and ±1σ.

    levels  probabilities τ of the quantiles, in (0, 1); the outputs are all levels of the first
            value, then of the second, ...
    """

    def __init__(
        self, target: TargetShape, *, levels: tuple[float, ...] = (0.5, 0.16, 0.84)
    ) -> None:
        super().__init__(target)
        need_values(target, "quantile")
        if not levels or len(set(levels)) < len(levels):
            raise StudyError("objective 'quantile': option 'levels' must be different numbers")
        for level in levels:
            need_between(level, 1e-12, 1, "quantile", "levels")
        self.levels = levels

    @property
    def outputs(self) -> int:
        """One output for each value and level."""
        return len(self.target.values) * len(self.levels)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        shape = (-1, len(self.target.values), len(self.levels))
        quantiles = outputs[self.target.name].float().reshape(shape)
        residual = values(batch, self.target)[:, :, None] - quantiles  # (batch, value, level)
        level = residual.new_tensor(self.levels)
        return torch.maximum(level * residual, (level - 1) * residual).mean((1, 2))

    def in_units(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the deviation of each value, for all its levels."""
        levels = len(self.levels)
        return mean.repeat_interleave(levels), deviation.repeat_interleave(levels)

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return the quantiles, `<value>` for the median and `<value>_q16` for τ = 0.16."""
        columns = [
            value if level == 0.5 else f"{value}_q{100 * level:g}".replace(".", "p")
            for value in self.target.values
            for level in self.levels
        ]
        return dict(zip(columns, output.unbind(1), strict=True))
