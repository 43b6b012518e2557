"""Interaction network in fixed-point numbers, on the hardest particles, to be made a circuit.

With quantised dense networks φ_R, φ_O and φ_C (arXiv:1612.00222, arXiv:2405.00645), as JEDI-net was
brought onto an FPGA (arXiv:2209.14065). The first layer of φ_R is taken over particles and not over
pairs, W [x_i, x_j] = W_r x_i + W_s x_j, which is exact in fixed point; the rest stands in the
circuit once for each ordered pair of places.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.networks.layers.all_pairs import all_pairs
from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.linear import (
    Formats,
    QuantisedLayers,
    QuantisedLinear,
    perceptron,
    rectified,
)
from bunchtrain.networks.layers.quantised.particles import QuantisedParticles
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Granularity, Kind


class QuantisedInteractionNetwork(QuantisedParticles):
    """Interaction network in fixed-point numbers (arXiv:1612.00222, 2209.14065).

        e_i = Σ_{j ≠ i} φ_R(x_i, x_j),   o_i = φ_O(x_i, e_i),   output = φ_C(Σ_i o_i)

    Args:
        features: Numbers of a particle.
        outputs: Number of outputs.
        particles: Particles that are looked at, the first of each event.
        relation: Units of φ_R.
        objects: Units of φ_O.
        classifier: Units of the hidden layers of φ_C.
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
        relation: tuple[int, ...] = (8, 6),
        objects: tuple[int, ...] = (12, 6),
        classifier: tuple[int, ...] = (12,),
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
        self.effects = relation[-1]
        self.relation = rectified([2 * features, *relation], formats)
        self.objects = rectified([features + relation[-1], *objects], formats)
        self.classifier = perceptron([objects[-1], *classifier], outputs, formats)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        x, counts = self.first(features, lengths)
        pairs = all_pairs(counts, x.shape[0], own=False)
        effects = self.relation(torch.cat([x[pairs.receiver], x[pairs.sender]], 1))
        made = self.objects(torch.cat([x, pairs.sum(effects)], 1))
        outputs: Tensor = self.classifier(segment_sum(made, counts))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs: φ_R counts once for each pair, its first layer and φ_O for each place."""
        widths, places = self.input.widths.expand(self.features), self.particles
        first, rest = self._relation()
        each = first.bit_operations(torch.cat([widths, widths]))
        pair, effect = rest.bit_operations(first.widths)
        effect = (effect + _growth(places - 1)).expand(self.effects)
        place, made = self.objects.bit_operations(torch.cat([widths, effect]))
        once, _ = self.classifier.bit_operations(made + _growth(places))
        return places * (each + (places - 1) * pair + place) + once

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, place, feature) and `present` (…, place)."""
        x, present = inputs["features"], inputs["present"][..., None]
        effects = np.sum(self._relations(x, arithmetic) * present[..., _others(self), :], axis=-2)
        made = self.objects.exact(np.concatenate([x, effects], axis=-1), arithmetic)
        return self.classifier.exact(np.sum(made * present, axis=-2), arithmetic)

    def _relation(self) -> tuple[QuantisedLinear, QuantisedLayers]:
        """Return the first layer of φ_R and the others."""
        first, *rest = self.relation.layers()
        return first, QuantisedLayers(rest)

    def _relations(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return φ_R(x_i, x_j) of all j ≠ i, (…, place, place − 1, relation)."""
        first, rest = self._relation()
        weight, bias = first.constants()
        received, sent = x @ weight[:, : self.features].T, x @ weight[:, self.features :].T
        sums = received[..., :, None, :] + sent[..., _others(self), :]
        return rest.exact(first.finish(sums, bias, arithmetic), arithmetic)


def _others(model: QuantisedParticles) -> NDArray[np.int64]:
    """Return the other places of each place, (place, place − 1)."""
    i, j = np.mgrid[: model.particles, : model.particles - 1]
    return np.asarray(j + (j >= i), np.int64)


def _growth(terms: int) -> int:
    """Return by how many bits a sum of so many terms may be longer than they are."""
    return math.ceil(math.log2(max(terms, 1)))
