"""GarNet of one layer in fixed-point numbers, for firmware.

As the last operation is the mean over points, the output features of single points are not needed
(arXiv:2008.03601): with w̄_a = Σ_v w_av / V and h_a = Σ_v w_av f_v / V,

    Σ_v y_v / V = c N / V + Σ_a U_a w̄_a h_a.

V is the smallest power of two ≥ the number of slots, so that the division costs nothing; exp(−d²)
is a look-up table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, table
from bunchtrain.networks.layers.quantised.linear import QuantisedLinear, perceptron
from bunchtrain.networks.layers.quantised.model import QuantisedParticles
from bunchtrain.networks.layers.quantised.options import DEFAULTS, QuantisationOptions
from bunchtrain.parts.ranges import HiddenWidths, PointCount, Width


class QuantisedGarNet(QuantisedParticles):
    """GarNet in fixed-point numbers (arXiv:2008.03601, 2405.00645).

    features      Features of a point.
    outputs       Number of outputs.
    particles     Maximum number of points, the first of each event.
    aggregators   Number of aggregators.
    propagate     Features that a point sends to the aggregators.
    filters       Output features.
    widths        Units of the dense layers.
    quantisation  Number formats and the cost of bits.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        particles: PointCount = 8,
        aggregators: Width = 4,
        propagate: Width = 4,
        filters: Width = 4,
        widths: HiddenWidths = (8,),
        quantisation: QuantisationOptions = DEFAULTS,
    ) -> None:
        super().__init__(particles, features, quantisation)
        sums = quantisation.make_quantiser(aggregators * propagate, signed=True)
        self.given = QuantisedLinear(
            features, propagate, quantisation, quantisation.make_quantiser(propagate, signed=True)
        )
        self.distances = QuantisedLinear(
            features,
            aggregators,
            quantisation,
            quantisation.make_quantiser(aggregators, signed=True),
        )
        self.potential, self.mean = (quantisation.make_quantiser(aggregators) for _ in range(2))
        self.held = sums
        back = quantisation.make_quantiser(filters, signed=True)
        self.back = QuantisedLinear(aggregators * propagate + 1, filters, quantisation, back)
        self.dense = perceptron([filters, *widths], outputs, quantisation)

    @property
    def share(self) -> float:
        """1 / V."""
        return 2.0 ** -math.ceil(math.log2(self.particles))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        x, counts = self.first(features, lengths)
        weight = self.potential(_gaussian(self.distances(x).double()).to(x.dtype))
        sent = (weight[:, :, None] * self.given(x)[:, None]).flatten(1)
        aggregated = self.held(self.share * segment_sum(sent, counts))
        mean = self.mean(self.share * segment_sum(weight, counts))
        returned = mean.repeat_interleave(self.sent_size, 1) * aggregated
        count = self.share * counts[:, None].to(x.dtype)
        outputs: Tensor = self.dense(self.back(torch.cat([returned, count], 1)))
        return outputs

    @property
    def sent_size(self) -> int:
        """Number of features that a point sends."""
        return len(self.given.bias.value)

    def bit_operations(self) -> Tensor:
        """Return EBOPs; operations on a point count once for each slot."""
        widths, bits = self.input.widths.expand(self.features), self.potential.widths
        size, aggregators = self.sent_size, len(self.distances.bias.value)
        bits, mean = (
            w.expand(aggregators).repeat_interleave(size) for w in (bits, self.mean.widths)
        )
        sent = self.given.widths.expand(size).repeat(aggregators)
        held = self.held.widths.expand(size * aggregators)
        each = self.given.bit_operations(widths) + self.distances.bit_operations(widths)
        count = sent.new_full((1,), math.log2(1 / self.share) + 1)
        once = self.back.bit_operations(torch.cat([mean + held, count]))
        dense, _ = self.dense.bit_operations(self.back.widths)
        return self.particles * (each + bits @ sent) + mean @ held + once + dense

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, slot, feature) and `present` (…, slot)."""
        x, present = inputs["features"], inputs["present"][..., None]
        distance = self.distances.exact(x, arithmetic)
        weight = self.potential.exact(table(_gaussian, distance), arithmetic) * present
        sent = self.given.exact(x, arithmetic)
        each = weight[..., :, None] * sent[..., None, :]
        each = each.reshape(*each.shape[:-2], -1)  # (…, slot, aggregator · sent)
        held = self.held.exact(self.share * np.sum(each, axis=-2), arithmetic)
        mean = self.mean.exact(self.share * np.sum(weight, axis=-2), arithmetic)
        back = np.repeat(mean, self.sent_size, axis=-1) * held
        count = self.share * np.sum(present, axis=-2)
        back = self.back.exact(np.concatenate([back, count], axis=-1), arithmetic)
        return self.dense.exact(back, arithmetic)


def _gaussian(distance: Any) -> Any:
    """Return exp(−d²), of tensors and of arrays."""
    exponential = torch.exp if isinstance(distance, Tensor) else np.exp
    return exponential(-(distance**2))
