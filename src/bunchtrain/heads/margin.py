"""Margin loss of capsules: the right one long, all others short.

ℓ = Σ_k [t_k max(0, m⁺ − v_k)² + λ (1 − t_k) max(0, v_k − m⁻)²] with t_k = δ_{ky}; v_k is the length
of the capsule of class k (arXiv:1710.09829).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import class_numbers, need_classes


class Margin(Loss):
    """Margin loss on the lengths of capsules, one a class (arXiv:1710.09829).

    present  m⁺, the length above which the right capsule costs nothing.
    absent   m⁻, the length below which a wrong one costs nothing.
    down     λ, the weight of the wrong ones.
    """

    def __init__(
        self,
        target: TargetShape,
        *,
        present: float = 0.9,
        absent: float = 0.1,
        down: float = 0.5,
    ) -> None:
        super().__init__(target)
        need_classes(target, "margin")
        if not 0 <= absent < present <= 1 or down <= 0:
            raise StudyError(
                "objective 'margin': lengths need 0 ≤ absent < present ≤ 1 and 'down' above 0, got "
                f"absent {absent:g}, present {present:g} and down {down:g}"
            )
        self.present, self.absent, self.down = present, absent, down

    @property
    def outputs(self) -> int:
        """One output, a length, for each class."""
        return len(self.target.classes)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        lengths = outputs[self.target.name].float()
        right = functional.one_hot(class_numbers(batch, self.target), self.outputs).bool()
        short = (self.present - lengths).clamp(min=0).square()
        long = self.down * (lengths - self.absent).clamp(min=0).square()
        return short.where(right, long).sum(1)

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return the lengths by the names of the classes, (batch,) each."""
        return dict(zip(self.target.classes, output.float().unbind(1), strict=True))
