"""Regression losses that are a function of output − value, element by element."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import need_values, part_name, values


class Regression(Loss):
    """Mean over the target's values of ℓ(output − value)."""

    def __init__(self, target: TargetShape) -> None:
        super().__init__(target)
        need_values(target, part_name(self))

    @property
    def outputs(self) -> int:
        """One output for each value."""
        return len(self.target.values)

    @abstractmethod
    def loss(self, residual: Tensor) -> Tensor:
        """Return ℓ, of the shape of the residual output − value."""

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        residual = outputs[self.target.name].float() - values(batch, self.target)
        return self.loss(residual).mean(1)

    def in_units(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the deviation of each value."""
        return mean, deviation

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return the predicted values by their names, (batch,) each."""
        return dict(zip(self.target.values, output.unbind(1), strict=True))
