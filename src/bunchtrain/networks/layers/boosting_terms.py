"""Derivatives of a loss with terms over all events at once, as boosting asks for them.

With margins f_i, L = Σ_i w_i ℓ_i + W Σ_t λ_t T_t(f_1, …, f_n), W = Σ_i w_i: the fit and further
terms such as flatness in a column. Trees are grown on g_i = ∂L/∂f_i by automatic differentiation
and on the curvature of the fit alone, h_i = w_i p_i (1 − p_i), as boosting for uniform efficiency
does (arXiv:1410.4140, arXiv:1305.7248).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bunchtrain.batch import Batch

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss

#: Terms beside the fit, with their factors λ.
Beside = Sequence[tuple["Loss", float]]

SMALLEST = 1e-6  # curvature of an event that is already sure


class BoostingTerms:
    """The loss of a sample and its derivatives in the margins.

    Args:
        batches: events of a sample, of which targets, weights and columns are kept.
        objective: the fit, of classes.
        beside: further terms.
    """

    def __init__(self, batches: Iterable[Batch], objective: Loss, beside: Beside) -> None:
        self.objective, self.beside = objective, beside
        self.batch = _without_inputs(list(batches))
        self.weight = self.batch.weight.double()

    def _outputs(self, margins: NDArray[Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The margins as a leaf (events, columns), and as outputs; of two classes, 0 and f."""
        leaf = torch.from_numpy(margins).double().view(len(self.weight), -1).requires_grad_()
        missing = self.objective.outputs - leaf.shape[1]
        return leaf, {self.objective.target.name: functional.pad(leaf, (missing, 0))}

    def _loss(self, outputs: dict[str, Tensor]) -> Tensor:
        fit: Tensor = (self.weight * self.objective(outputs, self.batch)).sum()
        for term, factor in self.beside:
            fit = fit + self.weight.sum() * factor * term(outputs, self.batch)
        return fit

    def mean(self, margins: NDArray[Any]) -> float:
        """Return L/W at margins (events,) or (events, classes)."""
        with torch.no_grad():
            return float(self._loss(self._outputs(margins)[1]) / self.weight.sum())

    def derivatives(self, margins: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return g and h, in the shape of the margins (events,) or (events, classes)."""
        leaf, outputs = self._outputs(margins)
        (gradient,) = torch.autograd.grad(self._loss(outputs), leaf)
        output = outputs[self.objective.target.name].detach()
        p = output.sigmoid() if output.shape[1] == 1 else output.softmax(1)[:, -leaf.shape[1] :]
        curvature = self.weight[:, None] * (p * (1 - p)).clamp(min=SMALLEST)
        return gradient.view(margins.shape).numpy(), curvature.view(margins.shape).numpy()


def _without_inputs(batches: list[Batch]) -> Batch:
    batches = [batch for batch in batches if len(batch)]
    weights = [batch.weight if len(batch.weight) else torch.ones(len(batch)) for batch in batches]
    return Batch(
        {"table": torch.cat(weights)[:, None]},
        _joined([batch.targets for batch in batches]),
        torch.cat(weights),
        _joined([batch.spectators for batch in batches]),
    )


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
