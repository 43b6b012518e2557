"""The second network of a two-network game: its parameters, optimiser and loss.

A loss or a method with an `opponent` is trained in turns: before each step of the network the
opponent takes `steps` of Adam on its own loss, with the network fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.heads._gather import gather_rows


@dataclass(frozen=True)
class Opponent:
    """How the parameters of an opponent are trained.

    parameters     that its optimiser, Adam (arXiv:1412.6980), updates; the network's does not.
    steps          number of steps before each step of the network.
    learning_rate  initial one, that of the training if None; it follows the schedule.
    betas          of Adam.
    """

    parameters: tuple[nn.Parameter, ...]
    steps: int = 1
    learning_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)


@runtime_checkable
class HasOpponent(Protocol):
    """A loss or a method with parameters that minimise a loss of their own."""

    @property
    def opponent(self) -> Opponent:
        """The parameters and their optimiser."""

    def opponent_losses(self, given: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the opponent's loss of each event, (batch,), of which the weighted mean counts.

        given  of a loss the outputs of the network, of a method its normalised inputs, without
               gradient.
        """


class Standardise(nn.Module):
    """(x − mean) / standard deviation with those of the first training batch of all workers."""

    location: Tensor
    scale: Tensor  # 0 until the first batch

    def __init__(self, columns: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(columns))
        self.register_buffer("scale", torch.zeros(columns))

    def initialise(self, values: Tensor) -> None:
        """Set mean and standard deviation from (events, *columns), unless they are set."""
        if bool((self.scale == 0).all()):
            values = gather_rows(values.reshape(len(values), -1)).view(-1, *self.location.shape)
            self.location.copy_(values.mean(0))
            self.scale.copy_(values.std(0, unbiased=False).clamp(min=1e-12))

    def forward(self, values: Tensor) -> Tensor:
        """Return the standardised values."""
        return (values - self.location) / torch.where(self.scale > 0, self.scale, 1)


def perceptron(inputs: int, widths: Iterable[int], outputs: int) -> nn.Sequential:
    """Return a network of linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    size = inputs
    for width in widths:
        layers += [nn.Linear(size, width), nn.ReLU()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, outputs))
