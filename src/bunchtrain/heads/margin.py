"""Margin loss on capsule lengths: that of the true class above m⁺, all others below m⁻.

The lengths are from 0 to 1 and do not add up to 1: they order events, and are no probabilities.

ℓ = Σ_k [t_k max(0, m⁺ − v_k)² + λ (1 − t_k) max(0, v_k − m⁻)²] with t_k = δ_{ky}; v_k is the length
of the capsule of class k (arXiv:1710.09829).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head, by_label
from bunchtrain.parts.ranges import NonNegative, UnitFraction
from bunchtrain.targets import Quantity, Target


class Margin(Head):
    """Margin loss on the lengths of capsules, one per class (arXiv:1710.09829).

    present  m⁺, the length above which the capsule of the true class has no loss.
    absent   m⁻, the length below which that of another class has no loss.
    down     λ, the weight of the other classes.
    """

    gives_probabilities: ClassVar[bool] = False

    def __init__(
        self,
        target: Target,
        *,
        present: UnitFraction = 0.9,
        absent: UnitFraction = 0.1,
        down: NonNegative = 0.5,
    ) -> None:
        super().__init__(target)
        self.require_classes()
        if not 0 <= absent < present <= 1 or down <= 0:
            raise StudyError(
                "loss 'margin': lengths need 0 ≤ absent < present ≤ 1 and 'down' above 0, got "
                f"absent {absent:g}, present {present:g} and down {down:g}"
            )
        self.present, self.absent, self.down = present, absent, down

    def check_model(self, model: object) -> None:
        """Raise StudyError for a model without capsules, whose outputs are no lengths."""
        if not hasattr(model, "capsules"):
            raise StudyError(
                f"loss 'margin' needs lengths from 0 to 1, as those of model 'capsule_network', "
                f"and {type(model).__name__} gives any numbers; use 'cross_entropy'"
            )

    @property
    def outputs(self) -> int:
        """One output, a length, for each class."""
        return len(self.target.classes)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        lengths = outputs[self.target.name].float()
        is_true = functional.one_hot(self.class_index(batch), self.outputs).bool()
        short = (self.present - lengths).clamp(min=0).square()
        long = self.down * (lengths - self.absent).clamp(min=0).square()
        return short.where(is_true, long).sum(1)

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return the lengths of the classes' capsules, (batch,) each."""
        return by_label(self.target.classes, output.float())
