"""Options of quantised models: number formats, and the cost of their bits in the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from bunchtrain.networks.layers.quantised.fixed_point import Overflow
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import (
    FixedPointWeights,
    Granularity,
    Kind,
    Weights,
    make_weights,
)
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import Bits, IntegerBits, NonNegative, Positive, UnitFraction


@dataclass(frozen=True)
class QuantisationOptions(Options):
    """Options of all quantised models.

    weights          fixed width; learned widths; ±α (binary); −α, 0, α (ternary).
    granularity      elements that share a width: the layer, an output unit (channel), or none.
    bits             width of the weights with the sign; its initial value, if learned.
    activation_bits  width of the activations, or its initial value; `bits` if unset.
    input_bits       width of the inputs with the sign.
    input_integer    maximum number of integer bits of the normalised inputs; 3 clips them to ±8.
    overflow         activations beyond the range of the training set wrap around or saturate.
    beta             EBOPs coefficient β at the begin and the end of its increase, with learned
                     widths.
    rise             fraction of the training at which β reaches its largest value.
    quantised_from   fraction of the training at which quantisation begins; 1 for a network that is
                     quantised after the training.
    budget           maximum EBOPs of the selected epoch; unlimited if unset.
    """

    weights: Kind = "learned"
    granularity: Granularity = "weight"
    bits: Bits = 6
    activation_bits: Bits | None = None
    input_bits: Bits = 8
    input_integer: IntegerBits = 3
    overflow: Literal["wrap", "saturate"] = "wrap"
    beta: tuple[NonNegative, NonNegative] = (1e-7, 1e-5)
    rise: UnitFraction = 0.9
    quantised_from: UnitFraction = 0.0
    budget: Positive | None = None

    @property
    def integer(self) -> int | None:
        """Integer bits of weights of fixed width; as many as the weights need if None."""
        return 0

    @property
    def activations(self) -> Literal["fixed", "binary", "ternary"]:
        """Activations: fixed-point; 0 and 1 (binary); −1, 0 and 1 (ternary)."""
        return "fixed"

    @property
    def is_learned(self) -> bool:
        """True if the widths are learned."""
        return self.weights == "learned"

    def make_weights(self, value: Tensor) -> Weights:
        """Return weights with these initial values."""
        return make_weights(value, self.weights, self.bits, self.granularity, self.integer)

    def make_bias(self, value: Tensor) -> Weights:
        """Return biases in fixed point; with ±α weights of 8 bits, 2 of them integer bits."""
        if self.weights in ("binary", "ternary"):
            return FixedPointWeights(value, 8, integer=2)
        return FixedPointWeights(value, self.bits, self.is_learned, self.granularity, self.integer)

    def make_quantiser(self, *shape: int, signed: bool = False) -> Quantiser:
        """Return the quantiser of activations whose elements have this shape, as (features,)."""
        widths = self._width_shape(shape)
        if self.activations == "ternary":
            return Quantiser(widths, True, 2, overflow="SAT_SYM", frozen=(1, 0))
        if self.activations == "binary":
            return Quantiser(widths, False, 1, overflow="SAT", frozen=(1, 0))
        bits = self.activation_bits or self.bits
        overflow: Overflow = "SAT" if self.overflow == "saturate" else "WRAP"
        return Quantiser(widths, signed, bits, self.is_learned, overflow=overflow)

    def make_input_quantiser(self, *shape: int) -> Quantiser:
        """Return the quantiser of inputs whose elements have this shape; it saturates."""
        widths, integer = self._width_shape(shape), self.input_integer
        return Quantiser(widths, True, self.input_bits, self.is_learned, integer, "SAT")

    def _width_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1,) * len(shape) if self.granularity == "layer" else shape


DEFAULTS = QuantisationOptions()
