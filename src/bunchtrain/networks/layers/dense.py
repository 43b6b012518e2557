"""Dense layers: hidden layers and multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh"]

_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def activate(activation: Activation) -> nn.Module:
    """Return the activation function with this name as a layer."""
    return _MODULES[activation]()


def linear(size: int, width: int, activation: Activation) -> nn.Linear:
    """Return a linear layer initialised so that its outputs have the variance of its inputs.

    He's uniform initialisation (arXiv:1502.01852) before rectifiers, Glorot's before tanh.
    """
    layer = nn.Linear(size, width)
    if activation == "tanh":
        nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain("tanh"))
    else:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def dense(
    size: int,
    widths: Sequence[int],
    activation: Activation = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Return hidden layers, (..., size) → (..., widths[-1]), or the identity without widths.

    h_{l+1} = dropout(σ(BN(W_l h_l + b_l)))
    """
    layers: list[nn.Module] = []
    for before, width in zip([size, *widths], widths, strict=False):
        layers.append(linear(before, width, activation))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activate(activation))
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def perceptron(
    size: int,
    widths: Sequence[int],
    outputs: int,
    activation: Activation = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Return hidden layers and a linear output layer: (batch, size) → (batch, outputs)."""
    hidden = dense(size, widths, activation, dropout, batch_norm)
    return hidden.append(nn.Linear([size, *widths][-1], outputs))
