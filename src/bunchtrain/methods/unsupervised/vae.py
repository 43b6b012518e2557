"""Variational autoencoder: a decoder of Gaussian latent variables, with a bound of the density."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from bunchtrain.errors import StudyError
from bunchtrain.methods.protocols import CONDITION
from bunchtrain.methods.unsupervised._coders import CONVOLUTIONS, decoder, encoder
from bunchtrain.methods.unsupervised._method import Method, gaussian_losses
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import ANOMALY_SCORE

#: Bounds of log σ of the latent variables and of the decoder, so that no term overflows.
BOUNDS = (-7.0, 7.0)


class Vae(Method):
    """Variational autoencoder of x from z ~ N(0, 1) (arXiv:1312.6114).

        L = −log N(x; decoder(z), σ) + β KL(N(μ(x), s(x)) ‖ N(0, 1)),   z ~ N(μ(x), s(x)),

    an upper bound of −log p(x) for β = 1, with the width σ of each value learnt, too
    (arXiv:2006.13202). It gives an anomaly score and generates events.

    latent    number of latent variables.
    beta      factor β on the divergence (β-VAE).
    score     anomaly score at z = μ(x): the bound, or one of its two terms.
    widths    hidden widths of the dense encoder; the decoder has them in reverse.
    channels  channels of the convolutions of images and volumes, each of which halves the sides.
    """

    quantities = (ANOMALY_SCORE,)

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        latent: Annotated[int, Field(ge=1, le=10_000)] = 6,
        beta: NonNegative = 1.0,
        score: Literal["bound", "reconstruction", "divergence"] = "bound",
        widths: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = (64, 32),
        channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (16, 32),
    ) -> None:
        super().__init__(sizes)
        self.latent, self.beta, self.score = latent, beta, score
        self.is_grid = len(self.shape) in CONVOLUTIONS
        if self.condition and self.is_grid:
            raise StudyError(
                f"method 'vae' takes no condition with '{self.tensor}'; remove 'condition'"
            )
        self.encoder = encoder(self.shape, channels, widths, 2 * latent, self.condition)
        self.decoder = decoder(self.shape, channels, widths, latent + self.condition)
        # The cells of a grid have one width, which is that of the noise of all of them.
        shape = (1,) if self.is_grid else self.shape
        self.log_width = nn.Parameter(torch.zeros(shape))

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return −log p(x|z) at a random z, and β KL, of each event, (batch,)."""
        posterior = self.posterior(inputs)
        # The same noise in every evaluation of the validation set, to compare epochs.
        generator = None if self.training else torch.Generator(posterior.mean.device).manual_seed(1)
        noise = torch.empty_like(posterior.mean).normal_(generator=generator)
        reconstruction, divergence = self._terms(
            inputs, posterior, posterior.mean + posterior.stddev * noise
        )
        return {"reconstruction": reconstruction, "divergence": self.beta * divergence}

    def posterior(self, inputs: Mapping[str, Tensor]) -> Normal:
        """Return the distribution of the latent variables, (batch, latent)."""
        given = inputs[self.tensor]
        if self.condition:
            given = torch.cat([given.flatten(1), inputs[CONDITION]], 1)
        mean, log_width = self.encoder(given).chunk(2, 1)
        return Normal(mean, log_width.clamp(*BOUNDS).exp(), validate_args=False)

    def likelihood(self, latent: Tensor, condition: Tensor | None) -> Normal:
        """Return the distribution of x, (batch, *shape), given latent variables."""
        given = latent if condition is None else torch.cat([latent, condition], 1)
        mean = self.decoder(given)
        width = self.log_width.clamp(*BOUNDS).exp().expand_as(mean)
        return Normal(mean, width, validate_args=False)

    def _terms(
        self, inputs: Mapping[str, Tensor], posterior: Normal, latent: Tensor
    ) -> tuple[Tensor, Tensor]:
        likelihood = self.likelihood(latent, inputs[CONDITION] if self.condition else None)
        prior = Normal(torch.zeros_like(latent), torch.ones_like(latent), validate_args=False)
        found: Tensor = likelihood.log_prob(inputs[self.tensor])  # type: ignore[no-untyped-call]
        return -found.flatten(1).sum(1), kl_divergence(posterior, prior).sum(1)

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return −log p of independent Gaussians, which a decoder without latent variables gives.

        The cells of a grid have a common width.
        """
        values = inputs[self.tensor].flatten(1)
        if not self.is_grid:
            return gaussian_losses(values)
        square = (values - values.mean(0)).square()
        variance = square.mean().clamp(min=1e-12)
        return 0.5 * (square / variance + (2 * math.pi * variance).log()).sum(1)

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the anomaly score of each event, (batch,)."""
        posterior = self.posterior(inputs)
        reconstruction, divergence = self._terms(inputs, posterior, posterior.mean)
        scores = {"reconstruction": reconstruction, "divergence": divergence}
        return {ANOMALY_SCORE: scores.get(self.score, reconstruction + divergence)}

    def generate(self, count: int, condition: Tensor | None) -> Tensor:
        """Return normalised events, (count, *shape), of the conditions (count, condition)."""
        latent = torch.randn(count, self.latent, device=self.log_width.device)
        sample: Tensor = self.likelihood(latent, condition).sample()  # type: ignore[no-untyped-call]
        return sample
