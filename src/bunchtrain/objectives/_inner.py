"""Steps of an adversary between those of the network that it plays against."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def descend(network: nn.Module, loss: Callable[[], Tensor], steps: int, rate: float) -> None:
    """Take steps of plain gradient descent, which the optimiser does not see.

    Args:
        network: whose parameters move.
        loss: to be computed anew at each step.
        steps: their number.
        rate: learning rate.
    """
    parameters = list(network.parameters())
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)
