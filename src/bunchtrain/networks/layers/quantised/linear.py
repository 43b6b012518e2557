"""The quantised linear layer, with its activation and the quantiser of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from bunchtrain.networks.layers.dense import linear as initialised
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, rounding_offset
from bunchtrain.networks.layers.quantised.fixed_point import Overflow
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import (
    FixedPointWeights,
    Granularity,
    Kind,
    Weights,
    each_used,
    each_width,
    quantised_weights,
)


@dataclass(frozen=True)
class Formats:
    """How the layers of a network are quantised.

    kind             weights: fixed or learned width, binary, ternary.
    bits             width of weights and biases, or where the learning begins.
    activation_bits  width of activations, or where the learning begins.
    granularity      what shares a width: the layer, an output channel, or nothing.
    integer          integer bits of weights of fixed width; None takes them from the weights.
    overflow         what activations beyond the range of the training set do.
    activations      fixed-point numbers; 0 and 1 (binary); −1, 0 and 1 (ternary).
    """

    kind: Kind = "learned"
    bits: int = 6
    activation_bits: int = 6
    granularity: Granularity = "weight"
    integer: int | None = 0
    overflow: Overflow = "WRAP"
    activations: Literal["fixed", "binary", "ternary"] = "fixed"

    def weights(self, value: Tensor) -> Weights:
        """Return weights that begin at these values."""
        return quantised_weights(value, self.kind, self.bits, self.granularity, self.integer)

    def bias(self, value: Tensor) -> Weights:
        """Return biases: fixed-point numbers, 8 bits with 2 integer ones beside ±α weights."""
        if self.kind in ("binary", "ternary"):
            return FixedPointWeights(value, 8, integer=2)
        return FixedPointWeights(
            value, self.bits, self.kind == "learned", self.granularity, self.integer
        )

    def activation(self, *shape: int, signed: bool = False) -> Quantiser:
        """Return the quantiser of activations whose elements have this shape, as (features,)."""
        widths = (1,) * len(shape) if self.granularity == "layer" else shape
        if self.activations == "ternary":
            return Quantiser(widths, True, 2, overflow="SAT_SYM", frozen=(1, 0))
        if self.activations == "binary":
            return Quantiser(widths, False, 1, overflow="SAT", frozen=(1, 0))
        learned = self.kind == "learned"
        return Quantiser(widths, signed, self.activation_bits, learned, overflow=self.overflow)


class QuantisedLinear(nn.Module):
    """y = Q(σ(W_q x + b_q)), W_q and b_q quantised, σ a rectifier or nothing.

    `exact` does the same on arrays, adding half a step of Q's grid to the bias and rounding down,
    which is rounding half up.

    Args:
        size: inputs.
        width: outputs.
        formats: how weights and biases are quantised.
        output: quantiser of the outputs, unquantised if None: then they are exact sums.
        rectify: whether σ is max(·, 0).
    """

    def __init__(
        self,
        size: int,
        width: int,
        formats: Formats,
        output: Quantiser | None = None,
        rectify: bool = False,
    ) -> None:
        super().__init__()
        start = initialised(size, width, "relu")
        self.weight = formats.weights(start.weight)
        self.bias = formats.bias(start.bias)
        self.output, self.rectify = output, rectify

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, width) from (…, size)."""
        return self.of(x, self.weight(), self.bias())

    def of(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return (…, width) from (…, size) with weights and biases as they are used."""
        y = linear(x, weight, bias)
        y = torch.relu(y) if self.rectify else y
        return y if self.output is None else self.output(y)

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, width) from (…, size) as arrays."""
        weight, bias = self.constants()
        return self.finish(x @ weight.T, bias, arithmetic)

    def finish(self, sums: Any, bias: NDArray[np.float64], arithmetic: Arithmetic) -> Any:
        """Return Q(σ(sums + bias)) of the sums W x (…, width), as arrays."""
        if self.output is None:
            return arithmetic.relu(sums + bias) if self.rectify else sums + bias
        k, i, f = (np.broadcast_to(bits, sums.shape) for bits in self.output.kif)
        sums = sums + (bias + rounding_offset(sums, bias, f))
        sums = arithmetic.relu(sums) if self.rectify else sums
        return arithmetic.quantize(sums, k, i, f, self.output.overflow, "TRN")

    @property
    def widths(self) -> Tensor:
        """Bits of the outputs without the sign; 0 for exact sums, which nothing multiplies."""
        return torch.zeros(1) if self.output is None else self.output.widths

    @torch.no_grad()
    def constants(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights (width, size) and bias (width,) as they are used, exactly."""
        weight, bias = self.weight(), self.bias()
        return weight.numpy(force=True).astype(float), bias.numpy(force=True).astype(float)

    def bit_operations(self, widths: Tensor) -> Tensor:
        """Return Σ_oj b_oj b_j + Σ_o b_o of weights, inputs and biases (arXiv:2405.00645).

        widths  bits of the inputs without the sign, broadcast to (size,).
        """
        products = self.weight.widths(self.weight.last) @ widths.expand(self.weight.value.shape[1])
        return products.sum() + self.bias.widths(self.bias.last).sum()


def through(layers: Sequence[QuantisedLinear], x: Tensor) -> Tensor:
    """Return (…, width of the last layer) from (…, size of the first)."""
    used = each_used(_weights(layers))
    for layer, weight, bias in zip(layers, used[::2], used[1::2], strict=True):
        x = layer.of(x, weight, bias)
    return x


def bit_operations(layers: Sequence[QuantisedLinear], inputs: Sequence[Tensor]) -> Tensor:
    """Return Σ of the EBOPs of layers (), in one product where each weight has its own width.

    inputs  bits of the inputs of each layer without the sign.
    """
    if not layers:
        return torch.zeros(())
    counted = each_width(_weights(layers))
    inputs = [
        bits.expand(layer.weight.value.shape[1]) for layer, bits in zip(layers, inputs, strict=True)
    ]
    if counted is None:
        found = [layer.bit_operations(bits) for layer, bits in zip(layers, inputs, strict=True)]
        return torch.stack(found).sum()
    one, shapes = counted.new_ones(1), tuple((*layer.weight.value.shape,) for layer in layers)
    times = torch.cat([*inputs, one])[_factors(shapes).to(counted.device)]
    return counted @ times


@lru_cache(maxsize=16)
def _factors(shapes: tuple[tuple[int, int], ...]) -> Tensor:
    """Return, for each weight and bias of the layers, where its factor is among all inputs' bits.

    The bits of all inputs lie side by side, and behind them 1, the factor of a bias.
    """
    found, begin, end = [], 0, sum(size for _, size in shapes)
    for width, size in shapes:
        found += [torch.arange(begin, begin + size).repeat(width), torch.full((width,), end)]
        begin += size
    return torch.cat(found)


def _weights(layers: Sequence[QuantisedLinear]) -> list[Weights]:
    return [weights for layer in layers for weights in (layer.weight, layer.bias)]


class QuantisedLayers(nn.ModuleList):
    """Quantised layers one after the other."""

    def layers(self) -> list[QuantisedLinear]:
        """Return the layers in their order."""
        return [layer for layer in self if isinstance(layer, QuantisedLinear)]

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, width of the last) from (…, size of the first)."""
        return through(self.layers(), x)

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, width of the last) from (…, size of the first) as arrays."""
        for layer in self.layers():
            x = layer.exact(x, arithmetic)
        return x

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return EBOPs, and the bits of the outputs from those of the inputs."""
        inputs = [widths, *(layer.widths for layer in self.layers())]
        return bit_operations(self.layers(), inputs[:-1]), inputs[-1]


def rectified(sizes: Sequence[int], formats: Formats) -> QuantisedLayers:
    """Return rectified layers; `sizes` has the inputs of the first, then the outputs of each."""
    return QuantisedLayers(
        QuantisedLinear(size, width, formats, formats.activation(width), rectify=True)
        for size, width in pairwise(sizes)
    )


def perceptron(sizes: Sequence[int], outputs: int, formats: Formats) -> QuantisedLayers:
    """Return rectified layers and a last one without rectifier, whose sums are exact."""
    return rectified(sizes, formats).append(QuantisedLinear(sizes[-1], outputs, formats))
