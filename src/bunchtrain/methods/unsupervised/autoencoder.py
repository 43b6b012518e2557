"""Autoencoder: the error of the reconstruction from a few latent variables is an anomaly score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.methods.unsupervised._method import ANOMALY_SCORE, Method
from bunchtrain.networks.layers.dense import dense, perceptron
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity


class Autoencoder(Method):
    """Reconstruct x from z = encoder(x), with the loss |x − decoder(z)|² / n (arXiv:1808.08979).

    Dense networks for tables and windows, convolutions for images. The loss of an event is its
    anomaly score: large where it differs from the events of the training.

    latent    number of latent variables.
    widths    hidden widths of the dense encoder; the decoder has them in reverse.
    channels  channels of the convolutions of an image, each of which halves its side.
    """

    quantities = (ANOMALY_SCORE,)

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        latent: Annotated[int, Field(ge=1, le=10_000)] = 6,
        widths: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = (64, 32),
        channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (16, 32),
    ) -> None:
        super().__init__(sizes)
        if self.tensor == "image":
            self.encoder: nn.Module = ImageEncoder(self.shape, channels, widths, latent)
            self.decoder: nn.Module = ImageDecoder(self.shape, channels, widths, latent)
        else:
            self.encoder = nn.Sequential(nn.Flatten(), perceptron(self.features, widths, latent))
            decoder = perceptron(latent, widths[::-1], self.features)
            self.decoder = nn.Sequential(decoder, nn.Unflatten(1, self.shape))

    def reconstruct(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the decoded tensor, (batch, *shape)."""
        decoded: Tensor = self.decoder(self.encoder(inputs[self.tensor]))
        return decoded

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean squared error of each event, (batch,)."""
        error = (self.reconstruct(inputs) - inputs[self.tensor]).square().flatten(1).mean(1)
        return {"reconstruction": error}

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the anomaly score of each event, (batch,)."""
        return {ANOMALY_SCORE: self.losses(inputs)["reconstruction"]}


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
