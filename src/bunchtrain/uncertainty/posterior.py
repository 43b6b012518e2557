"""What every posterior promises: a model whose weights are a distribution and not numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.supervised import needs

#: Makes the model of the study with fresh weights.
Make = Callable[[], nn.Module]
#: Losses (batch,) of the model's outputs (batch, outputs) for a batch.
Loss = Callable[[Tensor, Batch], Tensor]


class Posterior(nn.Module):
    """A model with the distribution of its weights; it takes the model's place in the network.

    Called, it gives (batch, outputs) as the model does; `draws` gives them for several draws of
    the weights. A draw is the same for every event, whatever stands beside it.

    make  function that makes the model with fresh weights.
    seed  seed of the draws.
    """

    #: Whether `learn` does anything.
    learns = False

    def __init__(self, make: Make, seed: int) -> None:
        super().__init__()
        self.model, self.seed = make(), seed
        if hasattr(self.model, "fit"):
            raise StudyError(
                "a posterior needs a network, and this model is trees; leave 'posterior' out"
            )
        self.needs = needs(self.model)

    def forward(self, **tensors: Tensor) -> Tensor:
        """Return (batch, outputs) of the model with its mean weights."""
        output: Tensor = self.model(**tensors)
        return output

    @abstractmethod
    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (draw, batch, outputs), the same draws in every call."""

    def learn(self, batches: Iterable[Batch], loss: Loss) -> None:
        """Learn from the training set, after the training, what gradients do not teach.

        Args:
            batches: Normalised batches, as often as one iterates.
            loss: −log likelihood of each event, (batch,), from the model's outputs and the batch.
        """

    def penalty(self, events: int) -> Tensor | float:
        """Return what the model adds to the loss."""
        model: Any = self.model
        return model.penalty(events) if hasattr(model, "penalty") else 0.0

    def anneal(self, progress: float) -> None:
        """Tell the model how much of the training is done."""
        model: Any = self.model
        if hasattr(model, "anneal"):
            model.anneal(progress)

    @property
    def settled(self) -> bool:
        """True once the training changes nothing but the weights."""
        return bool(getattr(self.model, "settled", True))


def seed_of_draw(seed: int, draw: int) -> int:
    """Return a seed that depends on the posterior's seed and the number of the draw alone."""
    return int(np.random.SeedSequence([seed, draw]).generate_state(1)[0])


def need_draws(draws: int, posterior: str) -> None:
    """Raise StudyError if fewer than two draws are wanted: one has no spread."""
    if draws < 2:
        raise StudyError(f"posterior '{posterior}': option 'draws' must be at least 2, got {draws}")
