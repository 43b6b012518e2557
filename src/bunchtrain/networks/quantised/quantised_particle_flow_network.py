"""Particle flow network in fixed-point numbers, on the hardest particles, to be made a circuit.

F(Σ_i Φ(p_i)) (arXiv:1810.05165) with quantised dense networks Φ and F, trained with the rounding in
place (arXiv:2405.00645). A circuit has a place for a fixed number of particles: those beyond the
first ones are not looked at, and a place without a particle adds nothing to the sum, which is why
each has a bit that says whether it is taken. Φ stands in the circuit once for each place.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from torch import Tensor

from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.linear import Formats, perceptron, rectified
from bunchtrain.networks.layers.quantised.particles import QuantisedParticles
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Granularity, Kind


class QuantisedParticleFlowNetwork(QuantisedParticles):
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
        beyond: Literal["WRAP", "SAT"] = "SAT" if overflow == "saturate" else "WRAP"
        formats = Formats(weights, bits, activation_bits or bits, granularity, 0, beyond)
        shape = (1,) if granularity == "layer" else (features,)
        super().__init__(
            particles,
            features,
            Quantiser(shape, True, input_bits, learned, input_integer, "SAT"),
            beta=beta if learned else (0.0, 0.0),
            rise=rise,
            quantised_from=quantised_from,
            budget=budget,
        )
        self.phi = rectified([features, *phi], formats)
        self.f = perceptron([[features, *phi][-1], *f], outputs, formats)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        x, counts = self.first(features, lengths)
        outputs: Tensor = self.f(segment_sum(self.phi(x), counts))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs; those of Φ count once for each place."""
        each, widths = self.phi.bit_operations(self.input.widths)
        once, _ = self.f.bit_operations(widths + math.ceil(math.log2(self.particles)))
        return self.particles * each + once

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, place, feature) and `present` (…, place)."""
        x = self.phi.exact(inputs["features"], arithmetic)
        x = np.sum(x * inputs["present"][..., None], axis=-2)
        return self.f.exact(x, arithmetic)
