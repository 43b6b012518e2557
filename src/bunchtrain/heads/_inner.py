"""Steps of an adversary between those of the network that it plays against."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def descend(
    parameters: Iterable[nn.Parameter], loss: Callable[[], Tensor], steps: int, rate: float
) -> None:
    """Take steps of plain gradient descent, which the optimiser does not see.

    Args:
        parameters: that move.
        loss: to be computed anew at each step.
        steps: their number.
        rate: learning rate.
    """
    moving = list(parameters)
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(), moving)
        with torch.no_grad():
            for parameter, gradient in zip(moving, gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)
