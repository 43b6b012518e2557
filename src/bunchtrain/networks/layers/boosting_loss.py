"""Loss of boosted trees with penalties over all events, and its derivatives.

With margins f_i, L = Σ_i w_i ℓ_i + W Σ_t λ_t T_t(f_1, …, f_n), W = Σ_i w_i: the classification loss
and penalties such as non-flatness in a column. Trees are grown on g_i = ∂L/∂f_i by automatic
differentiation and on the curvature of the first term alone, h_i = w_i p_i (1 − p_i), as boosting
for uniform efficiency (arXiv:1410.4140, arXiv:1305.7248).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import Penalties

SMALLEST = 1e-6  # lower bound of the curvature p (1 − p)


class BoostingLoss:
    """The loss of a sample and its derivatives with respect to the margins.

    batches    events of a sample, of which targets, weights and columns are stored.
    loss       classification loss.
    penalties  further terms with their factors.
    """

    def __init__(self, batches: Iterable[Batch], loss: Head, penalties: Penalties) -> None:
        self.loss, self.penalties = loss, penalties
        self.batch = _concatenate_without_inputs([batch.tensors() for batch in batches])
        self.weight = self.batch.weight.double()

    def _outputs(self, margins: NDArray[Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the margins as a leaf (events, columns) and as outputs, (0, f) of two classes."""
        leaf = torch.from_numpy(margins).double().view(len(self.weight), -1).requires_grad_()
        missing = self.loss.outputs - leaf.shape[1]
        return leaf, {self.loss.target.name: functional.pad(leaf, (missing, 0))}

    def _total(self, outputs: dict[str, Tensor]) -> Tensor:
        total: Tensor = (self.weight * self.loss(outputs, self.batch)).sum()
        for penalty, factor in self.penalties:
            total = total + self.weight.sum() * factor * penalty(outputs, self.batch)
        return total

    def mean(self, margins: NDArray[Any]) -> float:
        """Return L/W at margins (events,) or (events, classes)."""
        with torch.no_grad():
            return float(self._total(self._outputs(margins)[1]) / self.weight.sum())

    def derivatives(self, margins: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return g and h, in the shape of the margins (events,) or (events, classes)."""
        leaf, outputs = self._outputs(margins)
        (gradient,) = torch.autograd.grad(self._total(outputs), leaf)
        output = outputs[self.loss.target.name].detach()
        p = output.sigmoid() if output.shape[1] == 1 else output.softmax(1)[:, -leaf.shape[1] :]
        curvature = self.weight[:, None] * (p * (1 - p)).clamp(min=SMALLEST)
        return gradient.view(margins.shape).numpy(), curvature.view(margins.shape).numpy()


def _concatenate_without_inputs(batches: list[Batch]) -> Batch:
    batches = [batch for batch in batches if len(batch)]
    weights = [batch.weight if len(batch.weight) else torch.ones(len(batch)) for batch in batches]
    return Batch(
        {"table": torch.cat(weights)[:, None]},
        _concatenate([batch.targets for batch in batches]),
        torch.cat(weights),
        _concatenate([batch.spectators for batch in batches]),
    )


def _concatenate(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
