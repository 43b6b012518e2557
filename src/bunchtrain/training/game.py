"""Training of the opponents of a game: losses and methods with parameters of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._opponent import HasOpponent
from bunchtrain.methods.weighted_sum import event_weights

#: Sum of a tensor over all workers.
Reduce = Callable[[Tensor], Tensor]


class Game:
    """The opponents of a training, each with its optimiser.

    Their parameters require a gradient in their own steps only, so that neither the optimiser of
    the network nor the reduction of gradients over workers includes them.

    parts          of the training, of which those with an opponent are used.
    learning_rate  of the training.
    reduce         sum over all workers, so that any number of them takes the same steps.
    """

    def __init__(self, parts: Iterable[object], learning_rate: float, reduce: Reduce) -> None:
        self.parts = [part for part in parts if isinstance(part, HasOpponent)]
        self.rates = [part.opponent.learning_rate or learning_rate for part in self.parts]
        self.optimisers = [
            torch.optim.Adam(part.opponent.parameters, rate, part.opponent.betas)
            for part, rate in zip(self.parts, self.rates, strict=True)
        ]
        self.reduce = reduce
        for part in self.parts:
            _require_gradient(part, False)

    def set_schedule(self, factor: float) -> None:
        """Set the learning rates to a fraction of the initial ones."""
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor

    def train(self, given: Mapping[str, Tensor], batch: Batch) -> None:
        """Take the steps of all opponents before a step of the network.

        given  outputs of the network, or normalised inputs of a method.
        batch  this worker's share of the events.
        """
        fixed = {name: tensor.detach() for name, tensor in given.items()}
        weight = event_weights(batch, next(iter(fixed.values())))
        total = self.reduce(weight.sum())
        if not total > 0:
            return
        with torch.autocast(weight.device.type, enabled=False):
            for part, optimiser in zip(self.parts, self.optimisers, strict=True):
                _require_gradient(part, True)
                for _ in range(part.opponent.steps):
                    losses = part.opponent_losses(fixed, batch)
                    self._step(optimiser, (weight * losses).sum() / total)
                _require_gradient(part, False)

    def _step(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        """Take one step along the gradient of the loss of all workers."""
        parameters = optimiser.param_groups[0]["params"]
        gradients = torch.autograd.grad(loss, parameters)
        flat = self.reduce(torch.cat([gradient.flatten() for gradient in gradients]))
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, gradient in zip(parameters, torch.split(flat, sizes), strict=True):
            parameter.grad = gradient.view_as(parameter)
        optimiser.step()
        optimiser.zero_grad()

    def state(self) -> list[dict[str, Any]]:
        """Return the states of the optimisers, for a checkpoint."""
        return [optimiser.state_dict() for optimiser in self.optimisers]

    def load_state(self, states: Sequence[dict[str, Any]]) -> None:
        """Restore the states of the optimisers; ValueError if they are of another training."""
        for optimiser, state in zip(self.optimisers, states, strict=True):
            optimiser.load_state_dict(state)


def _require_gradient(part: HasOpponent, required: bool) -> None:
    for parameter in part.opponent.parameters:
        parameter.requires_grad_(required)
