"""Particle flow network in fixed-point numbers, on the hardest particles, to be made a circuit.

F(Σ_i Φ(p_i)) (arXiv:1810.05165) with quantised dense networks Φ and F, trained with the rounding in
place (arXiv:2405.00645). A circuit has a place for a fixed number of particles: those beyond the
first ones are not looked at, and a place without a particle adds nothing to the sum, which is why
each has a bit that says whether it is taken. Φ stands in the circuit once for each place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.models.layers.packing import is_point, segment_ids, segment_sum, starts
from bunchtrain.models.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.models.layers.quantised.linear import Formats, QuantisedLinear
from bunchtrain.models.layers.quantised.model import QuantisedModel
from bunchtrain.models.layers.quantised.quantiser import Quantiser
from bunchtrain.models.layers.quantised.weights import Granularity, Kind


class QuantisedParticleFlowNetwork(QuantisedModel):
    """Particle flow network in fixed-point numbers (arXiv:1810.05165, 2405.00645).

    Args:
        features: Numbers of a particle.
        outputs: Number of outputs.
        particles: Particles that are looked at, the first of each event.
        phi: Units of Φ.
        f: Units of the hidden layers of F.
        weights: Fixed width; learned widths; ±α (binary); −α, 0, α (ternary).
        granularity: What shares a width: the layer, an output unit (channel), or nothing.
        bits: Width of the weights with the sign; where learning begins, if learned.
        activation_bits: Width of the activations; `bits` if unset.
        input_bits: Width of the inputs with the sign.
        input_integer: Integer bits of the normalised inputs at most; 3 clips them to ±8.
        overflow: Activations beyond the range of the training set wrap around or saturate.
        beta: Least and largest price of a bit operation, with learned widths.
        rise: Fraction of the training at which the price is at its largest.
        quantised_from: Fraction of the training from which numbers are quantised.
        budget: EBOPs at most of the network that is kept.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        particles: int = 8,
        phi: tuple[int, ...] = (16, 8),
        f: tuple[int, ...] = (16,),
        weights: Kind = "learned",
        granularity: Granularity = "weight",
        bits: int = 6,
        activation_bits: int | None = None,
        input_bits: int = 8,
        input_integer: int = 3,
        overflow: Literal["wrap", "saturate"] = "wrap",
        beta: tuple[float, float] = (1e-7, 1e-5),
        rise: float = 0.9,
        quantised_from: float = 0.0,
        budget: float | None = None,
    ) -> None:
        learned = weights == "learned"
        super().__init__(beta if learned else (0.0, 0.0), rise, quantised_from, budget)
        beyond: Literal["WRAP", "SAT"] = "SAT" if overflow == "saturate" else "WRAP"
        formats = Formats(weights, bits, activation_bits or bits, granularity, 0, beyond)
        shape = (1,) if granularity == "layer" else (features,)
        self.features, self.particles = features, particles
        self.input: Quantiser = Quantiser(shape, True, input_bits, learned, input_integer, "SAT")
        self.phi: Sequence[QuantisedLinear] = _rectified([features, *phi], formats)
        hidden = _rectified([[features, *phi][-1], *f], formats)
        last = QuantisedLinear([features, *phi, *f][-1], outputs, formats)
        self.f: Sequence[QuantisedLinear] = hidden.append(last)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        taken, counts = self._first(features, lengths)
        x: Tensor = self.input(taken)
        for layer in self.phi:
            x = layer(x)
        x = segment_sum(x, counts)
        for layer in self.f:
            x = layer(x)
        return x

    def _first(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first particles of each event, and how many there are."""
        points = len(features)
        first = starts(lengths)[segment_ids(lengths, points)]
        place = torch.arange(points, device=features.device) - first
        return features[place < self.particles], lengths.clamp(max=self.particles)

    def bit_operations(self) -> Tensor:
        """Return EBOPs; those of Φ count once for each place."""
        widths, total = self.input.widths, torch.zeros(())
        for layer in self.phi:
            total = total + self.particles * layer.bit_operations(widths)
            widths = layer.output.widths if layer.output else widths
        widths = widths + math.ceil(math.log2(self.particles))
        for layer in self.f:
            total = total + layer.bit_operations(widths)
            widths = layer.output.widths if layer.output else widths
        return total

    def input_formats(self) -> dict[str, tuple[Integers, Integers, Integers]]:
        """Return the formats of `features` (place, feature) and of `present` (place,)."""
        shape = (self.particles, self.features)
        k, i, f = (np.broadcast_to(bits, shape) for bits in self.input.kif)
        one = np.ones(self.particles, np.int64)
        return {"features": (k, i, f), "present": (0 * one, one, 0 * one)}

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `features` (batch, place, feature) in their format, and which are `present`."""
        taken, counts = self._first(inputs["features"], inputs["lengths"])
        present = is_point(counts, self.particles)
        features = taken.new_zeros((*present.shape, self.features))
        features[present] = self.input(taken)
        return {"features": features, "present": present.to(taken.dtype)}

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, place, feature) and `present` (…, place)."""
        x = inputs["features"]
        for layer in self.phi:
            x = layer.exact(x, arithmetic)
        x = np.sum(x * inputs["present"][..., None], axis=-2)
        for layer in self.f:
            x = layer.exact(x, arithmetic)
        return x


def _rectified(sizes: Sequence[int], formats: Formats) -> Any:
    return nn.ModuleList(
        QuantisedLinear(size, width, formats, formats.activation(width), rectify=True)
        for size, width in pairwise(sizes)
    )
