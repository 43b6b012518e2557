"""Adversarial training: gradient reversal, and inner steps of the adversary."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def reverse_gradient(values: Tensor, strength: Tensor) -> Tensor:
    """Return the values unchanged, with a gradient of −`strength` (arXiv:1505.07818)."""
    return (values * (1 + strength)).detach() - values * strength


def descend(
    parameters: Iterable[nn.Parameter], loss: Callable[[], Tensor], steps: int, rate: float
) -> None:
    """Take steps of plain gradient descent, without the optimiser of the training.

    parameters  to update.
    loss        evaluated again at each step.
    steps       count of steps.
    rate        learning rate.
    """
    updated = list(parameters)
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(), updated)
        with torch.no_grad():
            for parameter, gradient in zip(updated, gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)


def perceptron(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return a network of linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, width in zip((inputs, *widths), widths, strict=False):
        layers += [nn.Linear(before, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear((inputs, *widths)[-1], outputs))
