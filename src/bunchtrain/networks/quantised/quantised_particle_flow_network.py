"""Particle flow network in fixed-point numbers, on the leading particles, for firmware.

F(Σ_i Φ(p_i)) (arXiv:1810.05165) with quantised dense networks Φ and F, trained with quantisation
(arXiv:2405.00645). A circuit has a fixed number of slots for particles: later particles are
ignored, and an empty slot, marked by its bit `present`, adds nothing to the sum. The circuit has
one copy of Φ for each slot.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.linear import hidden_layers, perceptron
from bunchtrain.networks.layers.quantised.model import QuantisedParticles
from bunchtrain.networks.layers.quantised.options import DEFAULTS, QuantisationOptions
from bunchtrain.parts.ranges import HiddenWidths, PointCount, Widths


class QuantisedParticleFlowNetwork(QuantisedParticles):
    """Particle flow network in fixed-point numbers (arXiv:1810.05165, 2405.00645).

    features      Features of a particle.
    outputs       Number of outputs.
    particles     Maximum number of particles, the first of each event.
    phi           Units of Φ.
    f             Units of the hidden layers of F.
    quantisation  Number formats and the cost of bits.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        particles: PointCount = 8,
        phi: Widths = (16, 8),
        f: HiddenWidths = (16,),
        quantisation: QuantisationOptions = DEFAULTS,
    ) -> None:
        super().__init__(particles, features, quantisation)
        self.phi = hidden_layers([features, *phi], quantisation)
        self.f = perceptron([[features, *phi][-1], *f], outputs, quantisation)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        x, counts = self.first(features, lengths)
        outputs: Tensor = self.f(segment_sum(self.phi(x), counts))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs; those of Φ count once for each slot."""
        each, widths = self.phi.bit_operations(self.input.widths)
        once, _ = self.f.bit_operations(widths + math.ceil(math.log2(self.particles)))
        return self.particles * each + once

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, slot, feature) and `present` (…, slot)."""
        x = self.phi.exact(inputs["features"], arithmetic)
        x = np.sum(x * inputs["present"][..., None], axis=-2)
        return self.f.exact(x, arithmetic)
