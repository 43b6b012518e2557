"""Encoders to latent variables and decoders from them: tables, windows, images and volumes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.dense import dense, perceptron

#: Axes of a tensor of one event, with its channels → convolution over the others.
CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {3: nn.Conv2d, 4: nn.Conv3d}


def encoder(
    shape: tuple[int, ...],
    channels: tuple[int, ...],
    widths: tuple[int, ...],
    outputs: int,
    condition: int = 0,
) -> nn.Module:
    """Return a network (batch, *shape) → (batch, outputs): convolutions for grids, else dense.

    Grids are images (channel, row, column) and volumes (channel, layer, row, column). With a
    condition, (batch, condition), the input is the flattened tensor with it in further columns.
    """
    if len(shape) in CONVOLUTIONS:
        return GridEncoder(shape, channels, widths, outputs)
    size = torch.Size(shape).numel() + condition
    return nn.Sequential(nn.Flatten(), perceptron(size, widths, outputs))


def decoder(
    shape: tuple[int, ...],
    channels: tuple[int, ...],
    widths: tuple[int, ...],
    latent: int,
) -> nn.Module:
    """Return a network (batch, latent) → (batch, *shape), the mirror image of `encoder`."""
    if len(shape) in CONVOLUTIONS:
        return GridDecoder(shape, channels, widths, latent)
    layers = perceptron(latent, widths[::-1], torch.Size(shape).numel())
    return nn.Sequential(layers, nn.Unflatten(1, shape))


class GridEncoder(nn.Module):
    """Convolutions of stride 2, then a dense network: (batch, *shape) → (batch, latent)."""

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, ...],
        widths: tuple[int, ...],
        latent: int,
    ) -> None:
        super().__init__()
        convolution, layers = CONVOLUTIONS[len(shape)], list[nn.Module]()
        for before, after in zip([shape[0], *channels], channels, strict=False):
            layers += [convolution(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        size = self.convolutions(torch.zeros(1, *shape)).shape[1]
        self.dense = perceptron(size, widths, latent)

    def forward(self, grid: Tensor) -> Tensor:
        """Return (batch, latent)."""
        latent: Tensor = self.dense(self.convolutions(grid))
        return latent


class GridDecoder(nn.Module):
    """Dense network, then convolutions of enlarged grids: (batch, latent) → (batch, *shape)."""

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, ...],
        widths: tuple[int, ...],
        latent: int,
    ) -> None:
        super().__init__()
        sides = [tuple(shape[1:])]
        for _ in channels:
            sides.append(tuple((side + 1) // 2 for side in sides[-1]))
        self.sides = sides[-2::-1]  # of the grid after each convolution
        first = (channels[-1] if channels else shape[0], *sides[-1])
        size = torch.Size(first).numel()
        self.dense = dense(latent, (*widths[::-1], size))
        self.unflatten = nn.Unflatten(1, first)
        self.convolutions = nn.ModuleList(
            CONVOLUTIONS[len(shape)](before, after, 3, padding=1)
            for before, after in zip(channels[::-1], [*channels[-2::-1], shape[0]], strict=True)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return (batch, *shape)."""
        grid = self.unflatten(self.dense(latent))
        for depth, (side, convolution) in enumerate(
            zip(self.sides, self.convolutions, strict=True)
        ):
            grid = functional.interpolate(grid if depth == 0 else grid.relu(), size=side)
            grid = convolution(grid)
        decoded: Tensor = grid
        return decoded
