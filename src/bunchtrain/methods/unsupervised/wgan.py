"""Generative adversarial network with the Wasserstein distance and a gradient penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._opponent import Opponent
from bunchtrain.methods.protocols import CONDITION
from bunchtrain.methods.unsupervised._method import Method
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.parts.ranges import LearningRate, NonNegative
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity

#: Events of a batch that each event is compared with in the energy distance, in training and after.
COMPARED = (128, 1024)


class Wgan(Method):
    """Generate events g(z | c) from Gaussian z against a critic D (WGAN-GP, arXiv:1704.00028).

        min_g max_D  ⟨D(x | c)⟩ − ⟨D(g(z | c) | c)⟩ − λ ⟨(|∇D(x̂ | c)| − 1)²⟩,

    with x̂ between an event and a generated one. The critic is trained with its own Adam before
    each step of the generator. The value of the loss, of which the smallest one in validation is
    kept, is the energy distance of generated events, 2 ⟨|x − g|⟩ − ⟨|x − x'|⟩ − ⟨|g − g'|⟩,
    which unlike ⟨D⟩ is comparable across epochs (Székely, Rizzo, J. Stat. Plan. Inf. 143, 2013).

    latent         number of latent variables z.
    widths         hidden widths of generator and critic.
    critic_steps   steps of the critic before each step of the generator.
    learning_rate  of the critic; that of the training if unset.
    penalty        factor λ on the gradient penalty.
    """

    betas = (0.5, 0.9)

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        latent: Annotated[int, Field(ge=1, le=10_000)] = 16,
        widths: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = (128, 128),
        critic_steps: Annotated[int, Field(ge=1, le=1000)] = 5,
        learning_rate: LearningRate | None = None,
        penalty: NonNegative = 10.0,
    ) -> None:
        super().__init__(sizes)
        self.latent, self.penalty = latent, penalty
        self.generator = perceptron(latent + self.condition, widths, self.features, "leaky_relu")
        self.critic = perceptron(self.features + self.condition, widths, 1, "leaky_relu")
        trained = tuple(self.critic.parameters())
        self.opponent = Opponent(trained, critic_steps, learning_rate, self.betas)

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the energy distance of each event, (batch,), with the gradient of −D(g(z))."""
        data, condition = inputs[self.tensor].flatten(1), inputs.get(CONDITION)
        made = self._generate(len(data), condition, data)
        with torch.no_grad():
            compared = COMPARED[0 if self.training else 1]
            given, generated = _join(data, condition), _join(made, condition)
            distance = energy_distances(given, generated, compared)
        score = -self.critic(_join(made, condition)).squeeze(1)
        return {"energy_distance": distance + (score - score.detach())}

    def opponent_losses(self, given: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return D(g(z)) − D(x) + λ (|∇D(x̂)| − 1)² of each event, (batch,)."""
        data, condition = given[self.tensor].flatten(1), given.get(CONDITION)
        with torch.no_grad():
            made = self._generate(len(data), condition, data)
        mixed = torch.lerp(data, made, torch.rand_like(data[:, :1])).requires_grad_()
        score = self.critic(_join(mixed, condition)).sum()
        (gradient,) = torch.autograd.grad(score, mixed, create_graph=True)
        excess = (gradient.square().sum(1) + 1e-12).sqrt() - 1
        scores = self.critic(_join(made, condition)) - self.critic(_join(data, condition))
        losses: Tensor = scores.squeeze(1) + self.penalty * excess.square()
        return losses

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the energy distances (batch,) of generated events that are all the mean event."""
        data, condition = inputs[self.tensor].flatten(1), inputs.get(CONDITION)
        mean = data.mean(0).expand_as(data)
        return energy_distances(_join(data, condition), _join(mean, condition))

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return nothing: the method generates events and has no score."""
        return {}

    def generate(self, count: int, condition: Tensor | None) -> Tensor:
        """Return normalised events, (count, *shape), of the conditions (count, condition)."""
        like = next(self.generator.parameters())
        return self._generate(count, condition, like, seeded=False).view(count, *self.shape)

    def _generate(
        self, count: int, condition: Tensor | None, like: Tensor, seeded: bool = True
    ) -> Tensor:
        # The same noise in every evaluation of the validation set, to compare epochs.
        is_fixed = seeded and not self.training
        generator = torch.Generator(like.device).manual_seed(1) if is_fixed else None
        noise = torch.randn(count, self.latent, generator=generator, device=like.device)
        made: Tensor = self.generator(_join(noise, condition))
        return made


def _join(values: Tensor, condition: Tensor | None) -> Tensor:
    return values if condition is None else torch.cat([values, condition], 1)


def energy_distances(data: Tensor, made: Tensor, compared: int = COMPARED[1]) -> Tensor:
    """Return 2 ⟨|x − g|⟩_g − ⟨|x − x'|⟩_x' − ⟨|g − g'|⟩ of each x, (events,).

    data, made  (events, value).
    compared    number of events over which is averaged, the first ones.
    """
    others, generated = data[:compared], made[:compared]
    own = _mean_distance(data, others, data.shape[0] > 1)
    between = _mean_distance(generated, generated, True).mean()
    return 2 * torch.cdist(data, generated).mean(1) - own - between


def _mean_distance(values: Tensor, others: Tensor, includes_itself: bool) -> Tensor:
    """Return the mean distance to the others, (values,); where they include it, without it."""
    sums, count = torch.cdist(values, others).sum(1), len(others)
    index = torch.arange(len(values), device=values.device)
    itself = (index < count) & includes_itself
    return sums / (count - itself.float()).clamp(min=1)
