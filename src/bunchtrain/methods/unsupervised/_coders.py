"""Encoders to latent variables and decoders from them, of tables, windows and images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.dense import dense, perceptron


def encoder(
    shape: tuple[int, ...],
    channels: tuple[int, ...],
    widths: tuple[int, ...],
    outputs: int,
    condition: int = 0,
) -> nn.Module:
    """Return a network (batch, *shape) → (batch, outputs): convolutions for images, else dense.

    With a condition, (batch, condition), the input is the flattened tensor with it in further
    columns.
    """
    if len(shape) == 3:
        return ImageEncoder(shape, channels, widths, outputs)
    size = torch.Size(shape).numel() + condition
    return nn.Sequential(nn.Flatten(), perceptron(size, widths, outputs))


def decoder(
    shape: tuple[int, ...],
    channels: tuple[int, ...],
    widths: tuple[int, ...],
    latent: int,
) -> nn.Module:
    """Return a network (batch, latent) → (batch, *shape), the mirror image of `encoder`."""
    if len(shape) == 3:
        return ImageDecoder(shape, channels, widths, latent)
    layers = perceptron(latent, widths[::-1], torch.Size(shape).numel())
    return nn.Sequential(layers, nn.Unflatten(1, shape))


class ImageEncoder(nn.Module):
    """Convolutions of stride 2, then a dense network: (batch, *shape) → (batch, latent)."""

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, ...],
        widths: tuple[int, ...],
        latent: int,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([shape[0], *channels], channels, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        size = self.convolutions(torch.zeros(1, *shape)).shape[1]
        self.dense = perceptron(size, widths, latent)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, latent)."""
        latent: Tensor = self.dense(self.convolutions(image))
        return latent


class ImageDecoder(nn.Module):
    """Dense network, then convolutions of enlarged images: (batch, latent) → (batch, *shape)."""

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
        self.sides = sides[-2::-1]  # (rows, columns) after each convolution
        first = (channels[-1] if channels else shape[0], *sides[-1])
        size = first[0] * first[1] * first[2]
        self.dense = dense(latent, (*widths[::-1], size))
        self.unflatten = nn.Unflatten(1, first)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in zip(channels[::-1], [*channels[-2::-1], shape[0]], strict=True)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return (batch, *shape)."""
        image = self.unflatten(self.dense(latent))
        for depth, (side, convolution) in enumerate(
            zip(self.sides, self.convolutions, strict=True)
        ):
            image = functional.interpolate(image if depth == 0 else image.relu(), size=side)
            image = convolution(image)
        decoded: Tensor = image
        return decoded
