"""Posteriors that live in layers of their own: draw them all, run the model, and again."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bunchtrain.uncertainty.layers.drawn import Drawn
from bunchtrain.uncertainty.posterior import Make, Posterior, need_draws, seed_of_draw


class Layerwise(Posterior):
    """A posterior whose random layers stand in the place of the model's own.

    draws  number of draws that a prediction is made of.
    """

    def __init__(self, make: Make, seed: int, draws: int, name: str) -> None:
        super().__init__(make, seed)
        need_draws(draws, name)
        self.count = draws

    @property
    def random_layers(self) -> Iterator[Drawn]:
        """The layers that are drawn."""
        return (layer for layer in self.model.modules() if isinstance(layer, Drawn))

    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (draw, batch, outputs)."""
        with torch.random.fork_rng():
            found = [self._draw(number, tensors) for number in range(self.count)]
        for layer in self.random_layers:
            layer.release()
        return torch.stack(found)

    def _draw(self, number: int, tensors: dict[str, Tensor]) -> Tensor:
        torch.manual_seed(seed_of_draw(self.seed, number))
        for layer in self.random_layers:
            layer.draw()
        output: Tensor = self.model(**tensors)
        return output


def event_count(tensors: dict[str, Tensor]) -> int:
    """Return the number of events in a model's input tensors."""
    return len(tensors["lengths"] if "lengths" in tensors else next(iter(tensors.values())))
