"""Blocks of convolutions along one, two or three axes, each with max-pooling at its end."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from torch import nn

#: Number of axes → padding with zeros, convolution and pooling.
_LAYERS: dict[int, tuple[Any, Any, Any]] = {
    1: (nn.ZeroPad1d, nn.Conv1d, nn.MaxPool1d),
    2: (nn.ZeroPad2d, nn.Conv2d, nn.MaxPool2d),
    3: (nn.ZeroPad3d, nn.Conv3d, nn.MaxPool3d),
}


def convolution_blocks(
    channels: int, sides: Sequence[int], filters: Sequence[Sequence[int]], kernel: int
) -> tuple[nn.Sequential, int]:
    """Return the blocks and a flattening, and the size of what they give.

    Convolutions, each with ReLU, keep the sides by zero padding; pooling halves those of 2 or more.

    channels  of the input.
    sides     of the input, one to three.
    filters   for each block, the filters of its convolutions.
    kernel    length of each side of a filter.
    """
    pooling = _LAYERS[len(sides)][2]
    layers: list[nn.Module] = []
    for block in filters:
        layers += plain_convolutions(channels, len(sides), block, kernel)
        channels = [channels, *block][-1]
        steps = tuple(min(side, 2) for side in sides)
        layers.append(pooling(2 if min(steps) == 2 else steps))
        sides = [side // step for side, step in zip(sides, steps, strict=True)]
    return nn.Sequential(*layers, nn.Flatten()), channels * prod(sides)


def plain_convolutions(
    channels: int, axes: int, filters: Sequence[int], kernel: int
) -> nn.Sequential:
    """Return convolutions, each with ReLU, that keep the sides by zero padding.

    axes  number of axes, one to three; the others are those of `convolution_blocks`.
    """
    pad, convolution, _ = _LAYERS[axes]
    padding = ((kernel - 1) // 2, kernel // 2) * axes
    layers: list[nn.Module] = []
    for before, count in zip([channels, *filters], filters, strict=False):
        layer = convolution(before, count, kernel)
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        layers += [pad(padding), layer, nn.ReLU()]
    return nn.Sequential(*layers)
