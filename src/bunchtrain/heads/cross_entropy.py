"""Cross-entropy of any number of classes.

ℓ = −c_y Σ_k t_k log softmax(output)_k with t_k = (1 − ε) δ_{ky} + ε / K; ε is the label smoothing
of arXiv:1512.00567 and c_k the weights of the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._head import SoftmaxHead
from bunchtrain.parts.ranges import Dropout, NonNegative
from bunchtrain.targets import Target

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(SoftmaxHead):
    """Cross-entropy of two or more classes, one output each.

    label_smoothing  fraction ε of each label that is spread over all classes (arXiv:1512.00567).
    class_weights    class name → factor c on the losses of its events, 1 where not given.
    """

    def __init__(
        self,
        target: Target,
        *,
        label_smoothing: Dropout = 0.0,
        class_weights: dict[str, NonNegative] | None = None,
    ) -> None:
        super().__init__(target)
        self.require_between("label_smoothing", label_smoothing, 0, 1)
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights or {}
        for name in self.class_weights:
            self.find_class(name, "class_weights")
        factors = [self.class_weights.get(name, 1.0) for name in target.classes]
        self.factors = np.array(factors, np.float32)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        from torch.nn import functional

        logits, index = outputs[self.target.name].float(), self.class_index(batch)
        losses = functional.cross_entropy(
            logits, index, reduction="none", label_smoothing=self.label_smoothing
        )
        return losses * logits.new_tensor(self.factors)[index] if self.class_weights else losses

    def array_losses(self, output: Array, batch: Batch) -> Array:
        """Return the losses (batch,), without smoothing."""
        from scipy.special import log_softmax

        logs, index = log_softmax(output.astype(np.float32), axis=1), self.class_index(batch)
        return np.asarray(-logs[np.arange(len(index)), index] * self.factors[index])

    def constant_output(self, batch: Batch) -> Array:
        """Return the logarithm of the share of each class, (outputs,)."""
        index = self.class_index(batch)
        weight = (batch.weights * self.factors[index]).astype(np.float64)
        sums = np.bincount(index, weight, minlength=self.outputs)
        return np.asarray(np.log(np.maximum(sums / sums.sum(), 1e-30)))
