"""Dense network in fixed-point numbers, of fixed or learned widths, for firmware.

Trained with quantisation (quantisation-aware training). With learned widths the loss has the term
β · EBOPs with EBOPs = Σ b_w b_x over all products, the estimate of bit operations, and the widths
follow the gradient of the quantisation error (arXiv:2405.00645). The default layers, 64, 32, 32,
are those of the published 16-feature jet tagger (arXiv:2006.10159).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from bunchtrain.networks.layers.pruning import Pruner, Pruning
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.linear import bit_operations, perceptron
from bunchtrain.networks.layers.quantised.model import Format, QuantisedModel
from bunchtrain.networks.layers.quantised.options import QuantisationOptions
from bunchtrain.networks.layers.quantised.quantiser import fused_widths
from bunchtrain.parts.ranges import HiddenWidths, IntegerBits, NonNegative


@dataclass(frozen=True)
class DenseQuantisationOptions(QuantisationOptions):
    """Options of the quantised dense network.

    integer      integer bits of weights of fixed width, larger weights being clipped; as many as
                 the largest weight needs if unset.
    activations  fixed-point numbers; 0 and 1 (binary); −1, 0 and 1 (ternary).
    """

    beta: tuple[NonNegative, NonNegative] = (1e-6, 1e-4)
    integer: IntegerBits | None = 0
    activations: Literal["fixed", "binary", "ternary"] = "fixed"


DEFAULTS = DenseQuantisationOptions()


class QuantisedDenseNetwork(QuantisedModel):
    """Dense network in fixed-point numbers (arXiv:2405.00645).

    table         number of features.
    outputs       number of outputs.
    widths        units of the hidden layers.
    quantisation  number formats and the cost of bits.
    pruning       pruning during the training: `sparsity`, `structure` (weights, neurons), `start`,
                  `end`, `rounds` and `rewind`; see `layers/pruning.py`.
    """

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        widths: HiddenWidths = (64, 32, 32),
        quantisation: DenseQuantisationOptions = DEFAULTS,
        pruning: Pruning | None = None,
    ) -> None:
        super().__init__(quantisation, table)
        self.features = table
        self.layers = perceptron([table, *widths], outputs, quantisation)
        if pruning:
            layers = self.layers.layers()
            masked = [layer.weight for layer in layers], [layer.bias for layer in layers]
            self.pruner = Pruner(pruning, *masked)

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        outputs: Tensor = self.layers(self.input(table))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs, those of a layer being Σ_oj b_oj b_j + Σ_o b_o."""
        layers = self.layers.layers()
        before = [self.input, *(layer.output for layer in layers if layer.output)]
        return bit_operations(layers, fused_widths(before))

    def input_formats(self) -> dict[str, Format]:
        """Return the formats of `table`: three arrays (feature,)."""
        k, i, f = (np.broadcast_to(bits, (self.features,)) for bits in self.input.kif)
        return {"table": (k, i, f)}

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `table` (…, feature) in its format, as arrays."""
        return self.layers.exact(inputs["table"], arithmetic)
