"""Interaction network in fixed-point numbers, on the leading particles, for firmware.

With quantised dense networks φ_R, φ_O and φ_C (arXiv:1612.00222, arXiv:2405.00645), as in JEDI-net
on an FPGA (arXiv:2209.14065). The first layer of φ_R is computed for particles and not for pairs,
W [x_i, x_j] = W_r x_i + W_s x_j, which is exact in fixed point; the circuit has one copy of the
other layers for each ordered pair of slots.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.pairs import ordered_pairs
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.linear import (
    QuantisedLayers,
    QuantisedLinear,
    hidden_layers,
    perceptron,
)
from bunchtrain.networks.layers.quantised.model import QuantisedParticles
from bunchtrain.networks.layers.quantised.options import DEFAULTS, QuantisationOptions
from bunchtrain.parts.ranges import HiddenWidths, PointCount, Widths


class QuantisedInteractionNetwork(QuantisedParticles):
    """Interaction network in fixed-point numbers (arXiv:1612.00222, 2209.14065).

        e_i = Σ_{j ≠ i} φ_R(x_i, x_j),   o_i = φ_O(x_i, e_i),   output = φ_C(Σ_i o_i)

    features      Features of a particle.
    outputs       Number of outputs.
    particles     Maximum number of particles, the first of each event.
    relation      Units of φ_R.
    objects       Units of φ_O.
    classifier    Units of the hidden layers of φ_C.
    quantisation  Number formats and the cost of bits.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        particles: PointCount = 8,
        relation: Widths = (8, 6),
        objects: Widths = (12, 6),
        classifier: HiddenWidths = (12,),
        quantisation: QuantisationOptions = DEFAULTS,
    ) -> None:
        super().__init__(particles, features, quantisation)
        self.effects = relation[-1]
        self.relation = hidden_layers([2 * features, *relation], quantisation)
        self.objects = hidden_layers([features + relation[-1], *objects], quantisation)
        self.classifier = perceptron([objects[-1], *classifier], outputs, quantisation)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        x, counts = self.first(features, lengths)
        pairs = ordered_pairs(counts, x.shape[0], include_self=False)
        effects = self.relation(torch.cat([x[pairs.receiver], x[pairs.sender]], 1))
        objects = self.objects(torch.cat([x, pairs.sum(effects)], 1))
        outputs: Tensor = self.classifier(segment_sum(objects, counts))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs: φ_R counts once for each pair, its first layer and φ_O for each slot."""
        widths, slots = self.input.widths.expand(self.features), self.particles
        first, rest = self._relation_layers()
        each = first.bit_operations(torch.cat([widths, widths]))
        pair, effect = rest.bit_operations(first.widths)
        effect = (effect + _sum_bits(slots - 1)).expand(self.effects)
        slot, objects = self.objects.bit_operations(torch.cat([widths, effect]))
        once, _ = self.classifier.bit_operations(objects + _sum_bits(slots))
        return slots * (each + (slots - 1) * pair + slot) + once

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, slot, feature) and `present` (…, slot)."""
        x, present = inputs["features"], inputs["present"][..., None]
        relations = self._exact_relations(x, arithmetic) * present[..., self._other_slots(), :]
        effects = np.sum(relations, axis=-2)
        objects = self.objects.exact(np.concatenate([x, effects], axis=-1), arithmetic)
        return self.classifier.exact(np.sum(objects * present, axis=-2), arithmetic)

    def _relation_layers(self) -> tuple[QuantisedLinear, QuantisedLayers]:
        """Return the first layer of φ_R and the others."""
        first, *rest = self.relation.layers()
        return first, QuantisedLayers(rest)

    def _exact_relations(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return φ_R(x_i, x_j) of all j ≠ i, (…, slot, slot − 1, relation)."""
        first, rest = self._relation_layers()
        weight, bias = first.constants()
        received, sent = x @ weight[:, : self.features].T, x @ weight[:, self.features :].T
        sums = received[..., :, None, :] + sent[..., self._other_slots(), :]
        return rest.exact(first.finish(sums, bias, arithmetic), arithmetic)

    def _other_slots(self) -> NDArray[np.int64]:
        """Return the indices of the other slots of each slot, (slot, slot − 1)."""
        i, j = np.mgrid[: self.particles, : self.particles - 1]
        return np.asarray(j + (j >= i), np.int64)


def _sum_bits(terms: int) -> int:
    """Return the additional bits of a sum of this number of terms."""
    return math.ceil(math.log2(max(terms, 1)))
