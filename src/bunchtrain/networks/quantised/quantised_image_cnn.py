"""Convolutional network on images in fixed-point numbers, to be made a circuit.

Blocks of convolutions, each block followed by max-pooling, then dense layers, all quantised in
training (arXiv:2405.00645), as convolutional networks were brought onto FPGAs (arXiv:2101.05108).
Kernels of one row, or images of one row, make it one-dimensional. In the circuit every place of a
kernel stands for itself, or, with `streaming`, the kernel is there once and pixels pass it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.convolution import (
    MaxPooling,
    Padding,
    QuantisedConvolution,
    Windows,
)
from bunchtrain.networks.layers.quantised.linear import Formats, perceptron
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Granularity, Kind


class QuantisedImageCNN(QuantisedModel):
    """Convolutional network on images in fixed-point numbers (arXiv:2101.05108, 2405.00645).

    Args:
        image: (channels, rows, columns) of an image.
        outputs: Number of outputs.
        filters: For each block, the filters of its convolutions; a max-pooling ends each block.
        kernel: Rows and columns of a convolution.
        padding: "valid", without padding; "same", zeros around the image, so that its size stays.
        pool: Rows and columns of a max-pooling.
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
        image: tuple[int, int, int],
        outputs: int,
        *,
        filters: tuple[tuple[int, ...], ...] = ((4,), (4,)),
        kernel: tuple[int, int] = (3, 3),
        padding: Padding = "valid",
        pool: tuple[int, int] = (2, 2),
        widths: tuple[int, ...] = (16,),
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
        super().__init__(
            beta=beta if learned else (0.0, 0.0),
            rise=rise,
            quantised_from=quantised_from,
            budget=budget,
        )
        self.image = image
        channels, *size = image
        shape = (1, 1, 1) if granularity == "layer" else (channels, 1, 1)
        self.input: Quantiser = Quantiser(shape, True, input_bits, learned, input_integer, "SAT")
        self.layers = _blocks(channels, tuple(size), filters, kernel, padding, pool, formats)
        self.filters = [channels, *(f for block in filters for f in block)][-1]
        self.places = math.prod(self.layers[-1].shape)
        self.dense = perceptron([self.places * self.filters, *widths], outputs, formats)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        x: Tensor = self.layers(self.input(image).flatten(2).mT)
        outputs: Tensor = self.dense(x.flatten(1))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs; a convolution counts at every place of its window."""
        widths = self.input.widths.flatten()
        total = widths.new_zeros(())
        for layer in self.layers:
            cost, widths = layer.bit_operations(widths)
            total = total + cost
        dense, _ = self.dense.bit_operations(widths.expand(self.filters).repeat(self.places))
        return total + dense

    def input_formats(self) -> dict[str, tuple[Integers, Integers, Integers]]:
        """Return the formats of `image` (channel, row, column)."""
        k, i, f = (np.broadcast_to(bits, self.image) for bits in self.input.kif)
        return {"image": (k, i, f)}

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `image` in its format."""
        return {"image": self.input(inputs["image"])}

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return (…, outputs) from `image` (…, channel, row, column) in its format, as arrays."""
        x = inputs["image"]
        x = x.reshape(*x.shape[:-2], -1).swapaxes(-1, -2)  # (…, pixel, channel)
        for layer in self.layers:
            x = layer.exact(x, arithmetic)
        return self.dense.exact(x.reshape(*x.shape[:-2], -1), arithmetic)


def _blocks(
    channels: int,
    shape: Sequence[int],
    filters: Sequence[Sequence[int]],
    kernel: Sequence[int],
    padding: Padding,
    pool: Sequence[int],
    formats: Formats,
) -> Any:
    layers: list[QuantisedConvolution | MaxPooling] = []
    for block in filters:
        for number in block:
            if padding == "valid":
                _check_size(shape, kernel, "kernel")
            windows = Windows.of(shape, kernel, padding=padding)
            layers.append(QuantisedConvolution(windows, channels, number, formats))
            channels, shape = number, layers[-1].shape
        _check_size(shape, pool, "pool")
        layers.append(MaxPooling(shape, pool))
        shape = layers[-1].shape
    return nn.Sequential(*layers)


def _check_size(shape: Sequence[int], size: Sequence[int], option: str) -> None:
    if any(n < w for n, w in zip(shape, size, strict=True)):
        raise StudyError(
            f"model 'quantised_image_cnn' has an image of {shape[0]} × {shape[1]} pixels left for "
            f"a '{option}' of {size[0]} × {size[1]}; give fewer 'filters' or a larger image"
        )
