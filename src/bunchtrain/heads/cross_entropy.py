"""Cross-entropy of any number of classes.

ℓ = −c_y Σ_k t_k log softmax(output)_k with t_k = (1 − ε) δ_{ky} + ε / K; ε is the label smoothing
of arXiv:1512.00567 and c_k the weights of the classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError, nearest
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._targets import class_numbers, need_between, need_classes


class CrossEntropy(Loss):
    """Cross-entropy of two or more classes, one output each.

    label_smoothing  share ε of each label that is spread over all classes (arXiv:1512.00567).
    class_weights    class name → factor c on the losses of its events, 1 where not given.
    """

    factors: Tensor

    def __init__(
        self,
        target: TargetShape,
        *,
        label_smoothing: float = 0.0,
        class_weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__(target)
        need_classes(target, "cross_entropy")
        need_between(label_smoothing, 0, 1, "cross_entropy", "label_smoothing")
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights or {}
        self._check_names()
        factors = [self.class_weights.get(name, 1.0) for name in target.classes]
        self.register_buffer("factors", torch.tensor(factors), persistent=False)

    def _check_names(self) -> None:
        for name in self.class_weights:
            if name not in self.target.classes:
                raise StudyError(
                    f"objective 'cross_entropy': option 'class_weights' names '{name}', and target "
                    f"'{self.target.name}' has no such class"
                    + (nearest(name, self.target.classes) or f" ({', '.join(self.target.classes)})")
                )

    @property
    def outputs(self) -> int:
        """One output, a logit, for each class."""
        return len(self.target.classes)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        logits = outputs[self.target.name].float()
        numbers = class_numbers(batch, self.target)
        losses = functional.cross_entropy(
            logits, numbers, reduction="none", label_smoothing=self.label_smoothing
        )
        return losses * self.factors[numbers]

    def pool(self, draws: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (batch, outputs)."""
        return draws.float().log_softmax(-1).logsumexp(0) - math.log(len(draws))

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return the probability of each class by its name, (batch,) each."""
        probabilities = output.float().softmax(1)
        return dict(zip(self.target.classes, probabilities.unbind(1), strict=True))
