"""Autoencoder: the error of the reconstruction from a few latent variables is an anomaly score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor

from bunchtrain.methods.unsupervised._coders import decoder, encoder
from bunchtrain.methods.unsupervised._method import Method
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import ANOMALY_SCORE


class Autoencoder(Method):
    """Reconstruct x from z = encoder(x), with the loss |x − decoder(z)|² / n (arXiv:1808.08979).

    Dense networks for tables and windows, convolutions for images and volumes. The loss of an event
    is its anomaly score: large where it differs from the events of the training.

    latent    number of latent variables.
    widths    hidden widths of the dense encoder; the decoder has them in reverse.
    channels  channels of the convolutions of images and volumes, each of which halves the sides.
    """

    quantities = (ANOMALY_SCORE,)
    takes_condition = False

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        latent: Annotated[int, Field(ge=1, le=10_000)] = 6,
        widths: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = (64, 32),
        channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (16, 32),
    ) -> None:
        super().__init__(sizes)
        self.encoder = encoder(self.shape, channels, widths, latent)
        self.decoder = decoder(self.shape, channels, widths, latent)

    def reconstruct(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the decoded tensor, (batch, *shape)."""
        decoded: Tensor = self.decoder(self.encoder(inputs[self.tensor]))
        return decoded

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean squared error of each event, (batch,)."""
        error = (self.reconstruct(inputs) - inputs[self.tensor]).square().flatten(1).mean(1)
        return {"reconstruction": error}

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the mean squared difference from the mean event, (batch,)."""
        values = inputs[self.tensor].flatten(1)
        return (values - values.mean(0)).square().mean(1)

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the anomaly score of each event, (batch,)."""
        return {ANOMALY_SCORE: self.losses(inputs)["reconstruction"]}
