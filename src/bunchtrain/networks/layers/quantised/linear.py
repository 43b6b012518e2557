"""Quantised linear layers with activation and quantiser of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from bunchtrain.networks.layers.dense import linear as initialised
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, rounding_offset
from bunchtrain.networks.layers.quantised.options import QuantisationOptions
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Weights, fused_forward, fused_weight_widths


class QuantisedLinear(nn.Module):
    """y = Q(σ(W_q x + b_q)), W_q and b_q quantised, σ a ReLU or the identity.

    `exact` computes the same on arrays: it adds half a step of Q's grid to the bias and rounds
    down, which is rounding half up.

    size     inputs.
    width    outputs.
    options  number formats of weights and biases.
    output   quantiser of the outputs; None for exact sums.
    rectify  whether σ is max(·, 0).
    """

    def __init__(
        self,
        size: int,
        width: int,
        options: QuantisationOptions,
        output: Quantiser | None = None,
        rectify: bool = False,
    ) -> None:
        super().__init__()
        start = initialised(size, width, "relu")
        self.weight = options.make_weights(start.weight)
        self.bias = options.make_bias(start.bias)
        self.output, self.rectify = output, rectify

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, width) from (…, size)."""
        return self.apply_weights(x, self.weight(), self.bias())

    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return (…, width) from (…, size) with quantised weights and biases."""
        y = linear(x, weight, bias)
        y = torch.relu(y) if self.rectify else y
        return y if self.output is None else self.output(y)

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, width) from (…, size) as arrays."""
        weight, bias = self.constants()
        return self.finish(x @ weight.T, bias, arithmetic)

    def finish(self, sums: Any, bias: NDArray[np.float64], arithmetic: Arithmetic) -> Any:
        """Return Q(σ(sums + bias)) from the sums W x (…, width), as arrays."""
        if self.output is None:
            return arithmetic.relu(sums + bias) if self.rectify else sums + bias
        k, i, f = (np.broadcast_to(bits, sums.shape) for bits in self.output.kif)
        sums = sums + (bias + rounding_offset(sums, bias, f))
        sums = arithmetic.relu(sums) if self.rectify else sums
        return arithmetic.quantize(sums, k, i, f, self.output.overflow, "TRN")

    @property
    def widths(self) -> Tensor:
        """Bits of the outputs without the sign; 0 for exact sums, which are not multiplied."""
        return torch.zeros(1) if self.output is None else self.output.widths

    @torch.no_grad()
    def constants(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the exact quantised weights (width, size) and bias (width,)."""
        weight, bias = self.weight(), self.bias()
        return weight.numpy(force=True).astype(float), bias.numpy(force=True).astype(float)

    def bit_operations(self, widths: Tensor) -> Tensor:
        """Return Σ_oj b_oj b_j + Σ_o b_o of weights, inputs and biases (arXiv:2405.00645).

        widths  bits of the inputs without the sign, broadcast to (size,).
        """
        products = self.weight.widths(self.weight.last) @ widths.expand(self.weight.value.shape[1])
        return products.sum() + self.bias.widths(self.bias.last).sum()


def bit_operations(layers: Sequence[QuantisedLinear], inputs: Sequence[Tensor]) -> Tensor:
    """Return Σ of the EBOPs of layers (), by one product if each weight has its own width.

    inputs  bits of the inputs of each layer without the sign.
    """
    if not layers:
        return torch.zeros(())
    weight_bits = fused_weight_widths(_weights(layers))
    inputs = [
        bits.expand(layer.weight.value.shape[1]) for layer, bits in zip(layers, inputs, strict=True)
    ]
    if weight_bits is None:
        costs = [layer.bit_operations(bits) for layer, bits in zip(layers, inputs, strict=True)]
        return torch.stack(costs).sum()
    one, shapes = weight_bits.new_ones(1), tuple((*layer.weight.value.shape,) for layer in layers)
    input_bits = torch.cat([*inputs, one])[_factor_index(shapes).to(weight_bits.device)]
    return weight_bits @ input_bits


@lru_cache(maxsize=16)
def _factor_index(shapes: tuple[tuple[int, int], ...]) -> Tensor:
    """Return the index of the factor of each weight and bias in the input bits of all layers.

    The bits of all inputs are concatenated, followed by 1, the factor of a bias.
    """
    parts, begin, end = [], 0, sum(size for _, size in shapes)
    for width, size in shapes:
        parts += [torch.arange(begin, begin + size).repeat(width), torch.full((width,), end)]
        begin += size
    return torch.cat(parts)


def _weights(layers: Sequence[QuantisedLinear]) -> list[Weights]:
    return [weights for layer in layers for weights in (layer.weight, layer.bias)]


class QuantisedLayers(nn.ModuleList):
    """A sequence of quantised layers."""

    def layers(self) -> list[QuantisedLinear]:
        """Return the layers in their order."""
        return [layer for layer in self if isinstance(layer, QuantisedLinear)]

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, width of the last) from (…, size of the first)."""
        layers = self.layers()
        used = fused_forward(_weights(layers))
        for layer, weight, bias in zip(layers, used[::2], used[1::2], strict=True):
            x = layer.apply_weights(x, weight, bias)
        return x

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, width of the last) from (…, size of the first) as arrays."""
        for layer in self.layers():
            x = layer.exact(x, arithmetic)
        return x

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return EBOPs, and the bits of the outputs from those of the inputs."""
        inputs = [widths, *(layer.widths for layer in self.layers())]
        return bit_operations(self.layers(), inputs[:-1]), inputs[-1]


def hidden_layers(sizes: Sequence[int], options: QuantisationOptions) -> QuantisedLayers:
    """Return layers with ReLU; `sizes` are the inputs of the first, then the outputs of each."""
    return QuantisedLayers(
        QuantisedLinear(size, width, options, options.make_quantiser(width), rectify=True)
        for size, width in pairwise(sizes)
    )


def perceptron(sizes: Sequence[int], outputs: int, options: QuantisationOptions) -> QuantisedLayers:
    """Return layers with ReLU and an output layer without, whose outputs are exact sums."""
    return hidden_layers(sizes, options).append(QuantisedLinear(sizes[-1], outputs, options))
