"""Dense network in fixed-point numbers, of fixed or learned widths, to be made a circuit.

Trained with the rounding in place. With learned widths the loss has the term β · EBOPs with
EBOPs = Σ b_w b_x over all products, the estimate of bit operations, and the widths follow the
gradient of the quantisation error (arXiv:2405.00645). The default layers, 64, 32, 32, are those of
the published 16-feature jet tagger (arXiv:2006.10159).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from bunchtrain.networks.layers.pruning import Pruner, Pruning
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.linear import (
    Formats,
    QuantisedLinear,
    bit_operations,
    through,
)
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.quantised.quantiser import Quantiser, widths_together
from bunchtrain.networks.layers.quantised.weights import Granularity, Kind


class QuantisedDenseNetwork(QuantisedModel):
    """Dense network in fixed-point numbers (arXiv:2405.00645).

    Args:
        table: number of features.
        outputs: number of outputs.
        widths: units of the hidden layers.
        weights: fixed width; learned widths; ±α (binary); −α, 0, α (ternary).
        granularity: what shares a width: the layer, an output unit (channel), or nothing.
        bits: width of the weights with the sign; where learning begins, if learned.
        integer: integer bits of weights of fixed width, larger weights being clipped; as many as
            the largest weight needs if unset.
        activations: fixed-point numbers; 0 and 1 (binary); −1, 0 and 1 (ternary).
        activation_bits: width of the activations; `bits` if unset.
        input_bits: width of the inputs with the sign.
        input_integer: integer bits of the normalised inputs at most; 3 clips them to ±8.
        overflow: activations beyond the range of the training set wrap around or saturate.
        beta: least and largest price of a bit operation, with learned widths.
        rise: fraction of the training at which the price is at its largest.
        quantised_from: fraction of the training from which numbers are quantised; 1 for a network
            that is quantised after its training.
        budget: EBOPs at most of the network that is kept.
        pruning: what is taken out while training, and when: `sparsity`, `structure` (weights,
            neurons), `start`, `end`, `rounds` and `rewind`; see `layers/pruning.py`.
    """

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        widths: tuple[int, ...] = (64, 32, 32),
        weights: Kind = "learned",
        granularity: Granularity = "weight",
        bits: int = 6,
        integer: int | None = 0,
        activations: Literal["fixed", "binary", "ternary"] = "fixed",
        activation_bits: int | None = None,
        input_bits: int = 8,
        input_integer: int = 3,
        overflow: Literal["wrap", "saturate"] = "wrap",
        beta: tuple[float, float] = (1e-6, 1e-4),
        rise: float = 0.9,
        quantised_from: float = 0.0,
        budget: float | None = None,
        pruning: Pruning | None = None,
    ) -> None:
        learned = weights == "learned"
        super().__init__(beta if learned else (0.0, 0.0), rise, quantised_from, budget)
        beyond: Literal["WRAP", "SAT"] = "SAT" if overflow == "saturate" else "WRAP"
        formats = Formats(
            weights, bits, activation_bits or bits, granularity, integer, beyond, activations
        )
        shape = (1,) if granularity == "layer" else (table,)
        self.features = table
        self.input: Quantiser = Quantiser(shape, True, input_bits, learned, input_integer, "SAT")
        sizes = [table, *widths]
        layers = [
            QuantisedLinear(size, width, formats, formats.activation(width), rectify=True)
            for size, width in zip(sizes, widths, strict=False)
        ]
        layers.append(QuantisedLinear(sizes[-1], outputs, formats))
        self.layers: Sequence[QuantisedLinear] = nn.ModuleList(layers)  # type: ignore[assignment]
        if pruning:
            masked = [layer.weight for layer in layers], [layer.bias for layer in layers]
            self.pruner = Pruner(pruning, *masked)

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        return through(self.layers, self.input(table))

    def bit_operations(self) -> Tensor:
        """Return EBOPs, those of a layer being Σ_oj b_oj b_j + Σ_o b_o."""
        before = [self.input, *(layer.output for layer in self.layers if layer.output)]
        return bit_operations(self.layers, widths_together(before))

    def input_formats(self) -> dict[str, tuple[Integers, Integers, Integers]]:
        """Return the formats of `table`: three arrays (feature,)."""
        k, i, f = (np.broadcast_to(bits, (self.features,)) for bits in self.input.kif)
        return {"table": (k, i, f)}

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `table` in its format."""
        return {"table": self.input(inputs["table"])}

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `table` (…, feature) in its format, as arrays."""
        x = inputs["table"]
        for layer in self.layers:
            x = layer.exact(x, arithmetic)
        return x
