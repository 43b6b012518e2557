"""Magnitude pruning of weights or neurons by masks during the training.

Gradual: the sparsity rises as s(t) = S (1 − (1 − u)³), u = (t − start)/(end − start)
(arXiv:1710.01878). In rounds: in each of R rounds the same fraction of the remaining weights, the
smallest, is pruned, and the others are reset to their values early in the training: lottery tickets
with rewinding (arXiv:1803.03635, arXiv:1903.01611).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Dropout, UnitFraction


@dataclass(frozen=True)
class Pruning:
    """Options of pruning.

    sparsity   final fraction of the weights, or of the neurons of each hidden layer, pruned.
    structure  `weights`, the smallest of all layers first, or `neurons` of smallest weights.
    start, end fractions of the training at which the pruning begins and ends.
    rounds     number of rounds with rewinding; 0 for gradual pruning.
    rewind     fraction of the training from which each round restores the weights.
    """

    sparsity: Dropout = 0.75
    structure: Literal["weights", "neurons"] = "weights"
    start: UnitFraction = 0.1
    end: UnitFraction = 0.6
    rounds: Annotated[int, Field(ge=0, le=1000)] = 0
    rewind: UnitFraction = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.sparsity < 1:
            raise StudyError(
                f"pruning.sparsity is {self.sparsity:g}; give a fraction between 0 and 1"
            )
        if not 0 <= self.start < self.end <= 1:
            raise StudyError(
                f"pruning.start is {self.start:g} and pruning.end {self.end:g}; give a 'start' "
                "before the 'end', both between 0 and 1"
            )
        if self.rounds and self.rewind > self.start:
            raise StudyError(
                f"pruning.rewind is {self.rewind:g}, after pruning.start {self.start:g}; set it to "
                "at most 'start'"
            )

    def sparsity_at(self, progress: float) -> float:
        """Return the sparsity at this fraction of the training."""
        part = min(1.0, max(0.0, (progress - self.start) / (self.end - self.start)))
        if self.rounds:
            done = int(part * self.rounds + 1e-9)
            return float(1 - (1 - self.sparsity) ** (done / self.rounds))
        return float(self.sparsity * (1 - (1 - part) ** 3))


class Masked(Protocol):
    """Weights with a mask."""

    value: nn.Parameter
    mask: Tensor
    masked: bool


class MaskedLinear(nn.Module):
    """A linear layer with masked weights: y = (W ∘ M) x + b ∘ m."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = MaskedWeights(layer.weight), MaskedWeights(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, outputs) from (…, inputs)."""
        return linear(x, self.weight(), self.bias())


class MaskedWeights(nn.Module):
    """Weights `value` with a `mask` of 0 and 1."""

    mask: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.masked = True
        self.value = nn.Parameter(value.detach().clone())
        self.register_buffer("mask", torch.ones_like(value))

    def forward(self) -> Tensor:
        """Return the masked weights."""
        return self.value * self.mask


class Pruner(nn.Module):
    """Prunes layers during the training; its state is saved with the network.

    pruning  options.
    weights  weights of the layers in their order, (outputs, inputs).
    biases   biases of the layers, (outputs,), pruned together with their neuron.
    """

    kept: Tensor  # (), whether the early weights are stored
    early: Tensor  # (weights,), values to which rounds rewind

    def __init__(
        self, pruning: Pruning, weights: Sequence[Masked], biases: Sequence[Masked]
    ) -> None:
        super().__init__()
        self.pruning = pruning
        self._weights, self._biases = list(weights), list(biases)
        for one in self._all():
            one.masked = True
        size = sum(one.value.numel() for one in self._all()) if pruning.rounds else 0
        self.register_buffer("kept", torch.tensor(False))
        self.register_buffer("early", torch.zeros(size))

    def _all(self) -> list[Masked]:
        return self._weights + self._biases

    @torch.no_grad()
    def anneal(self, progress: float) -> None:
        """Prune to the sparsity at this fraction of the training."""
        if self.pruning.rounds and progress >= self.pruning.rewind and not self.kept:
            self.early.copy_(torch.cat([one.value.flatten() for one in self._all()]))
            self.kept.fill_(True)
        sparsity = self.pruning.sparsity_at(progress)
        neurons = self.pruning.structure == "neurons"
        if (self._prune_neurons if neurons else self._prune_weights)(sparsity) and self.kept:
            self._rewind()

    def is_done(self, progress: float) -> bool:
        """Return whether the final sparsity is reached."""
        return progress >= self.pruning.end

    def _prune_weights(self, sparsity: float) -> bool:
        total = sum(one.mask.numel() for one in self._weights)
        count = round(sparsity * total)
        if count <= sum(int((one.mask == 0).sum()) for one in self._weights):
            return False
        sizes = torch.cat([(one.value.abs() * one.mask).flatten() for one in self._weights])
        mask = torch.ones_like(sizes)
        mask[sizes.topk(count, largest=False).indices] = 0
        parts = torch.split(mask, [one.mask.numel() for one in self._weights])
        for one, part in zip(self._weights, parts, strict=True):
            one.mask.mul_(part.view_as(one.mask))
        return True

    def _prune_neurons(self, sparsity: float) -> bool:
        pruned = False
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            count = min(round(sparsity * len(bias.mask)), len(bias.mask) - 1)
            if count > int((bias.mask == 0).sum()):
                sizes = weight.value.square().sum(1) * bias.mask
                index = sizes.topk(count, largest=False).indices
                weight.mask[index], bias.mask[index] = 0, 0
                pruned = True
        return pruned

    def _rewind(self) -> None:
        parts = torch.split(self.early, [one.value.numel() for one in self._all()])
        for one, part in zip(self._all(), parts, strict=True):
            one.value.copy_(part.view_as(one.value))


def make_pruner(layers: nn.Sequential, pruning: Pruning) -> Pruner:
    """Replace the linear layers of a sequence by masked ones, and return their pruner."""
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            layers[index] = MaskedLinear(layer)
    masked = [layer for layer in layers if isinstance(layer, MaskedLinear)]
    return Pruner(pruning, [one.weight for one in masked], [one.bias for one in masked])
