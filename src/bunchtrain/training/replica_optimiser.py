"""Adam, AdamW and SGD for stacked weights: each replica has its own state, rate and steps.

Adam (arXiv:1412.6980): m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
w ← w − η / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε), t being the steps of the replica.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

#: β₁, β₂ and ε of Adam, and the momentum of SGD, as in a single training.
_BETAS, _EPSILON, _MOMENTUM = (0.9, 0.999), 1e-8, 0.9


class ReplicaOptimiser:
    """Steps of stacked weights.

    settings  the keys of `training`.
    weights   (replica, ...) each, which are changed in place.
    """

    def __init__(self, settings: Mapping[str, Any], weights: Sequence[Tensor]) -> None:
        self.settings, self.weights = settings, weights
        self.first = [torch.zeros_like(one) for one in weights]
        self.second = [torch.zeros_like(one) for one in weights]
        self.steps = torch.zeros(len(weights[0]), dtype=torch.float64)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rates: Tensor, active: Tensor) -> None:
        """Change the weights of the active replicas.

        gradients  (replica, ...) of each weight.
        rates      (replica,) learning rates.
        active     (replica,) bool; the state of the others stays as it is.
        """
        self.steps += active
        gradients = self._clip(gradients)
        everyone = bool(active.all())
        for k, weight in enumerate(self.weights):
            state = (weight, self.first[k], self.second[k])
            new = self._new(*state, gradients[k], rates)
            for old, value in zip(state, new, strict=True):
                old.copy_(value if everyone else torch.where(_like(active, old), value, old))

    def _clip(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the gradients with at most the norm of `gradient_clip` for each replica."""
        limit = self.settings["gradient_clip"]
        if limit is None:
            return gradients
        norms = torch.stack([one.flatten(1).norm(dim=1) for one in gradients]).norm(dim=0)
        scale = (limit / (norms + 1e-6)).clamp(max=1.0)  # as `clip_grad_norm_`
        return [one * _like(scale, one) for one in gradients]

    def _new(
        self, weight: Tensor, first: Tensor, second: Tensor, gradient: Tensor, rates: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weight and both moments after a step of all replicas."""
        kind, decay = self.settings["optimiser"], self.settings["weight_decay"]
        rate = _like(rates, weight)
        if decay and kind == "adamw":
            weight = weight * (1 - rate * decay)
        elif decay:
            gradient = gradient + decay * weight
        if kind == "sgd":
            first = _MOMENTUM * first + gradient
            return self._limit(weight - rate * first), first, second
        first = torch.lerp(first, gradient, 1 - _BETAS[0])
        second = _BETAS[1] * second + (1 - _BETAS[1]) * gradient * gradient
        corrections = [_like((1 - beta**self.steps).clamp(min=1e-300), weight) for beta in _BETAS]
        root = second.sqrt() / corrections[1].sqrt() + _EPSILON
        return self._limit(weight - rate / corrections[0] * first / root), first, second

    def _limit(self, weight: Tensor) -> Tensor:
        """Return a weight within the limits of `weight_clip`."""
        limit = self.settings.get("weight_clip")
        return weight if limit is None else weight.clamp(-limit, limit)


def _like(values: Tensor, other: Tensor) -> Tensor:
    """Return values (replica,) in the shape (replica, 1, ...) and type of stacked weights."""
    shaped = values.view(-1, *(1 for _ in other.shape[1:]))
    return shaped if shaped.dtype == torch.bool else shaped.to(other.dtype)
