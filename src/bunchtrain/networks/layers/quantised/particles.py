"""Quantised models on the first particles of an event, each of which has a place in the circuit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import is_point, segment_ids, starts
from bunchtrain.networks.layers.quantised.arithmetic import Integers
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.quantised.quantiser import Quantiser


class QuantisedParticles(QuantisedModel):
    """A quantised model of so many `particles` at most.

    Those beyond the first ones are not looked at; a place of the circuit without a particle has the
    bit `present` 0 and must count for nothing.

    Args:
        particles: places of the circuit.
        features: numbers of a particle.
        input: quantiser of the features.
        price: arguments of `QuantisedModel`.
    """

    def __init__(self, particles: int, features: int, input: Quantiser, **price: Any) -> None:
        super().__init__(**price)
        self.particles, self.features, self.input = particles, features, input

    def first(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first particles of each event, quantised, and how many there are."""
        points = features.shape[0]
        begin = starts(lengths)[segment_ids(lengths, points)]
        place = torch.arange(points, device=features.device) - begin
        return self.input(features[place < self.particles]), lengths.clamp(max=self.particles)

    def input_formats(self) -> dict[str, tuple[Integers, Integers, Integers]]:
        """Return the formats of `features` (place, feature) and of `present` (place,)."""
        shape = (self.particles, self.features)
        k, i, f = (np.broadcast_to(bits, shape) for bits in self.input.kif)
        one = np.ones(self.particles, np.int64)
        return {"features": (k, i, f), "present": (0 * one, one, 0 * one)}

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `features` (batch, place, feature) in their format, and which are `present`."""
        taken, counts = self.first(inputs["features"], inputs["lengths"])
        present = is_point(counts, self.particles)
        features = taken.new_zeros((*present.shape, self.features))
        features[present] = taken
        return {"features": features, "present": present.to(taken.dtype)}
