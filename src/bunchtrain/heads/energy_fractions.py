"""Fractions of the energy of each point, such as a hit, that belong to several objects.

With the energy E_i of hit i, the true fractions t_ik of objects k and a softmax p_ik of the
outputs, the loss of an event is (arXiv:1902.07987)

    L = Σ_k Σ_i √(E_i t_ik) (p_ik − t_ik)² / Σ_i √(E_i t_ik) + λ Σ_k h(R_k − 1),

where the second term, of the response R_k = Σ_i E_i p_ik / Σ_i E_i t_ik of each object, is an
addition: errors of the hits of an object that have one sign add up in its energy, which matters
most for one of small energy beside one of large. h(x) is x²/2 up to |x| = 1, then |x| − 1/2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._arrays import softmax
from bunchtrain.heads._head import Head, by_label
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from torch import Tensor


class EnergyFractions(Head):
    """Fraction of the energy of each point by object, of a target with the energy of each object.

    The values of the target are energies E_i t_ik, at least two, none negative; the predictions are
    fractions p_ik of sum 1. The mean over the points of an event is its loss L (arXiv:1902.07987).

    response  λ, factor on the term of the response of each object.
    """

    standardises: ClassVar[bool] = False

    def __init__(self, target: Target, *, response: NonNegative = 0.0) -> None:
        super().__init__(target)
        self.response = response
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
        import torch
        from torch.nn.functional import smooth_l1_loss

        energy, event = self.true_values(batch), batch.event_index(self.target.axis)
        if not torch.compiler.is_compiling():
            self._require_energies(energy, event)
        total = energy.sum(1, keepdim=True)
        fraction = energy / total.where(total > 0, 1.0)
        predicted = outputs[self.target.name].float().softmax(1)
        weight = energy.sqrt()
        sums = _sums(weight, event, len(batch))
        counts = weight.new_zeros(len(batch)).index_add(0, event, weight.new_ones(len(weight)))
        share = weight / sums.where(sums > 0, 1.0)[event]
        losses: Tensor = counts[event] * (share * (predicted - fraction).square()).sum(1)
        if self.response:
            true = _sums(energy, event, len(batch))
            missed = _sums(predicted * total, event, len(batch)) - true
            ratio = missed.where(true > 0, 0.0) / true.where(true > 0, 1.0)
            of_events = smooth_l1_loss(ratio, torch.zeros_like(ratio), reduction="none").sum(1)
            losses = losses + self.response * of_events[event]
        return losses

    def _require_energies(self, energy: Tensor, event: Tensor) -> None:
        """Raise DataError, naming point and value, for a negative energy."""
        wrong = (energy < 0).nonzero()
        if len(wrong):
            row, value = wrong[0].tolist()
            point = row - int((event < event[row]).sum())
            raise DataError(
                f"loss '{self.name}': '{self.target.values[value]}' of point {point} of an event "
                f"is {float(energy[row, value]):g}; the values of target '{self.target.name}' are "
                "energies, exclude events with negative ones by 'select'"
            )

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the fraction of each object, (points,) each."""
        return by_label(self.target.values, softmax(output))

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the logarithm of the mean fractions, (points, outputs)."""
        return draws.float().softmax(-1).mean(0).clamp(min=1e-30).log()

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return shift 0 and scale 1: logits of fractions have no unit."""
        return np.zeros(self.outputs), np.ones(self.outputs)


def _sums(values: Tensor, event: Tensor, events: int) -> Tensor:
    """Return the sums over each event, (events, object), of values (points, object)."""
    return values.new_zeros(events, values.shape[1]).index_add(0, event, values)
