"""Fractions of the energy of each point, such as a hit, that belong to several objects.

With the energy E_i of hit i, the true fractions t_ik of objects k and a softmax p_ik of the
outputs, the loss of an event is (arXiv:1902.07987)

    L = Σ_k Σ_i √(E_i t_ik) (p_ik − t_ik)² / Σ_i √(E_i t_ik).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._arrays import softmax
from bunchtrain.heads._head import Head, by_label
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from torch import Tensor


class EnergyFractions(Head):
    """Fraction of the energy of each point by object, of a target with the energy of each object.

    The values of the target are energies E_i t_ik, at least two, none negative; the predictions are
    fractions p_ik of sum 1. The mean over the points of an event is its loss L (arXiv:1902.07987).
    """

    standardises: ClassVar[bool] = False

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_values()
        if len(target.values) < 2:
            raise StudyError(
                f"loss '{self.name}' needs a target with two or more values, the energies of the "
                f"objects, and target '{target.name}' has one"
            )

    @property
    def outputs(self) -> int:
        """One logit for each object."""
        return len(self.target.values)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (points,), whose mean over the points of an event is L."""
        energy = self.true_values(batch).clamp(min=0)
        total = energy.sum(1, keepdim=True)
        fraction = energy / total.where(total > 0, 1.0)
        predicted = outputs[self.target.name].float().softmax(1)
        weight, event = energy.sqrt(), batch.event_index(self.target.axis)
        sums = weight.new_zeros(len(batch), weight.shape[1]).index_add(0, event, weight)
        counts = weight.new_zeros(len(batch)).index_add(0, event, weight.new_ones(len(weight)))
        share = weight / sums.where(sums > 0, 1.0)[event]
        losses: Tensor = counts[event] * (share * (predicted - fraction).square()).sum(1)
        return losses

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the fraction of each object, (points,) each."""
        return by_label(self.target.values, softmax(output))

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the logarithm of the mean fractions, (points, outputs)."""
        return draws.float().softmax(-1).mean(0).clamp(min=1e-30).log()

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return shift 0 and scale 1: logits of fractions have no unit."""
        return np.zeros(self.outputs), np.ones(self.outputs)
