"""GarNet of one layer in fixed-point numbers, to be made a circuit.

As the mean over points is taken last, what comes back to the points need not be known one by one
(arXiv:2008.03601): with w̄_a = Σ_v w_av / V and h_a = Σ_v w_av f_v / V,

    Σ_v y_v / V = c N / V + Σ_a U_a w̄_a h_a.

V is the power of two that holds all places, so that dividing costs nothing; exp(−d²) is a table.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, table
from bunchtrain.networks.layers.quantised.linear import Formats, QuantisedLinear, perceptron
from bunchtrain.networks.layers.quantised.particles import QuantisedParticles
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Granularity, Kind


class QuantisedGarNet(QuantisedParticles):
    """GarNet in fixed-point numbers (arXiv:2008.03601, 2405.00645).

    Args:
        features: Numbers of a point.
        outputs: Number of outputs.
        particles: Points that are looked at, the first of each event.
        aggregators: Number of aggregators.
        propagate: Numbers that a point gives to the aggregators.
        filters: Numbers that come back.
        widths: Units of the dense layers.
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
        aggregators: int = 4,
        propagate: int = 4,
        filters: int = 4,
        widths: tuple[int, ...] = (8,),
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
        sums = formats.activation(aggregators * propagate, signed=True)
        self.given = QuantisedLinear(
            features, propagate, formats, formats.activation(propagate, signed=True)
        )
        self.distances = QuantisedLinear(
            features, aggregators, formats, formats.activation(aggregators, signed=True)
        )
        self.potential, self.mean = (formats.activation(aggregators) for _ in range(2))
        self.held = sums
        back = formats.activation(filters, signed=True)
        self.back = QuantisedLinear(aggregators * propagate + 1, filters, formats, back)
        self.dense = perceptron([filters, *widths], outputs, formats)

    @property
    def share(self) -> float:
        """1 / V."""
        return 2.0 ** -math.ceil(math.log2(self.particles))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        x, counts = self.first(features, lengths)
        weight = self.potential(_bell(self.distances(x).double()).to(x.dtype))
        given = (weight[:, :, None] * self.given(x)[:, None]).flatten(1)
        held = self.held(self.share * segment_sum(given, counts))
        mean = self.mean(self.share * segment_sum(weight, counts))
        back = mean.repeat_interleave(self.given_size, 1) * held
        number = self.share * counts[:, None].to(x.dtype)
        outputs: Tensor = self.dense(self.back(torch.cat([back, number], 1)))
        return outputs

    @property
    def given_size(self) -> int:
        """Numbers that a point gives."""
        return len(self.given.bias.value)

    def bit_operations(self) -> Tensor:
        """Return EBOPs; what is done to a point counts once for each place."""
        widths, bits = self.input.widths.expand(self.features), self.potential.widths
        size, number = self.given_size, len(self.distances.bias.value)
        bits, mean = (w.expand(number).repeat_interleave(size) for w in (bits, self.mean.widths))
        given = self.given.widths.expand(size).repeat(number)
        held = self.held.widths.expand(size * number)
        each = self.given.bit_operations(widths) + self.distances.bit_operations(widths)
        counted = given.new_full((1,), math.log2(1 / self.share) + 1)
        once = self.back.bit_operations(torch.cat([mean + held, counted]))
        dense, _ = self.dense.bit_operations(self.back.widths)
        return self.particles * (each + bits @ given) + mean @ held + once + dense

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `features` (…, place, feature) and `present` (…, place)."""
        x, present = inputs["features"], inputs["present"][..., None]
        distance = self.distances.exact(x, arithmetic)
        weight = self.potential.exact(table(_bell, distance), arithmetic) * present
        given = self.given.exact(x, arithmetic)
        each = weight[..., :, None] * given[..., None, :]
        each = each.reshape(*each.shape[:-2], -1)  # (…, place, aggregator · given)
        held = self.held.exact(self.share * np.sum(each, axis=-2), arithmetic)
        mean = self.mean.exact(self.share * np.sum(weight, axis=-2), arithmetic)
        back = np.repeat(mean, self.given_size, axis=-1) * held
        number = self.share * np.sum(present, axis=-2)
        back = self.back.exact(np.concatenate([back, number], axis=-1), arithmetic)
        return self.dense.exact(back, arithmetic)


def _bell(distance: Any) -> Any:
    """Return exp(−d²), of tensors and of arrays."""
    exponential = torch.exp if isinstance(distance, Tensor) else np.exp
    return exponential(-(distance**2))
