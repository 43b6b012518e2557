"""Flow matching: a velocity field that moves Gaussian noise to the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from bunchtrain.methods.protocols import CONDITION
from bunchtrain.methods.unsupervised._method import Method
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity

#: Frequencies of the sine and cosine of the time, in units of 2π.
FREQUENCIES = (1.0, 2.0, 4.0, 8.0)


class FlowMatching(Method):
    """Generate events along x' = v(x, t | c), from noise at t = 0 to data at t = 1.

        L = |v(x_t, t | c) − (x₁ − x₀)|² / n,   x_t = (1 − t) x₀ + t x₁,

    with x₁ an event, x₀ a Gaussian and t uniform (conditional flow matching along straight lines,
    arXiv:2210.02747, 2209.03003). The trajectory is integrated by the midpoint method.

    widths  hidden widths of the dense network v.
    steps   steps of the integration, of two evaluations each.
    """

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        widths: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = (256, 256, 256),
        steps: Annotated[int, Field(ge=1, le=10_000)] = 50,
    ) -> None:
        super().__init__(sizes)
        self.steps = steps
        inputs = self.features + self.condition + 1 + 2 * len(FREQUENCIES)
        self.velocity = perceptron(inputs, widths, self.features, "silu")
        self.register_buffer("frequencies", 2 * torch.pi * torch.tensor(FREQUENCIES))

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the squared error of the velocity of each event at a random time, (batch,)."""
        data = inputs[self.tensor].flatten(1)
        # The same noise in every evaluation of the validation set, to compare epochs.
        generator = None if self.training else torch.Generator(data.device).manual_seed(1)
        noise = torch.empty_like(data).normal_(generator=generator)
        time = torch.empty_like(data[:, :1]).uniform_(generator=generator)
        state = (1 - time) * noise + time * data
        velocity = self._velocity(state, time, inputs.get(CONDITION))
        return {"velocity": (velocity - (data - noise)).square().mean(1)}

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the losses (batch,) of the mean velocity: the variances of data and noise."""
        data = inputs[self.tensor].flatten(1)
        return (data - data.mean(0)).square().mean(1) + 1

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return nothing: the method generates events and has no score."""
        return {}

    def generate(self, count: int, condition: Tensor | None) -> Tensor:
        """Return normalised events, (count, *shape), of the conditions (count, condition)."""
        device = self.get_buffer("frequencies").device
        state = torch.randn(count, self.features, device=device)
        step = 1 / self.steps
        for index in range(self.steps):
            time = state.new_full((count, 1), index * step)
            middle = state + step / 2 * self._velocity(state, time, condition)
            state = state + step * self._velocity(middle, time + step / 2, condition)
        return state.view(count, *self.shape)

    def _velocity(self, state: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        angle = time * self.get_buffer("frequencies")  # (batch, frequency)
        given = [] if condition is None else [condition]
        features = torch.cat([state, time, angle.sin(), angle.cos(), *given], 1)
        velocity: Tensor = self.velocity(features)
        return velocity
