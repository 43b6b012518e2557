"""Convolutional network on images in fixed-point numbers, for firmware.

Blocks of convolutions, each followed by max-pooling, then dense layers, all quantised in training
(arXiv:2405.00645), as in the convolutional networks on FPGAs of arXiv:2101.05108. Kernels and
images of one row make it one-dimensional. The circuit has one copy of a kernel for each window, or,
with `streaming`, a single copy through which the pixels are streamed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.convolution import (
    MaxPooling,
    Padding,
    QuantisedConvolution,
    Windows,
)
from bunchtrain.networks.layers.quantised.linear import perceptron
from bunchtrain.networks.layers.quantised.model import Format, QuantisedModel
from bunchtrain.networks.layers.quantised.options import DEFAULTS, QuantisationOptions
from bunchtrain.parts.ranges import BlockWidths, HiddenWidths, Kernel


class QuantisedImageCNN(QuantisedModel):
    """Convolutional network on images in fixed-point numbers (arXiv:2101.05108, 2405.00645).

    image         (channels, rows, columns) of an image.
    outputs       Number of outputs.
    filters       For each block, the filters of its convolutions; each block ends with max-pooling.
    kernel        Rows and columns of a convolution.
    padding       "valid", without padding; "same", zero padding that keeps the image size.
    pool          Rows and columns of a max-pooling.
    widths        Units of the dense layers.
    quantisation  Number formats and the cost of bits.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        filters: BlockWidths = ((4,), (4,)),
        kernel: tuple[Kernel, Kernel] = (3, 3),
        padding: Padding = "valid",
        pool: tuple[Kernel, Kernel] = (2, 2),
        widths: HiddenWidths = (16,),
        quantisation: QuantisationOptions = DEFAULTS,
    ) -> None:
        channels, *size = image
        super().__init__(quantisation, channels, 1, 1)
        self.image = image
        self.layers = _blocks(channels, tuple(size), filters, kernel, padding, pool, quantisation)
        self.filters = [channels, *(f for block in filters for f in block)][-1]
        self.places = math.prod(self.layers[-1].shape)
        self.dense = perceptron([self.places * self.filters, *widths], outputs, quantisation)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        x: Tensor = self.layers(self.input(image).flatten(2).mT)
        outputs: Tensor = self.dense(x.flatten(1))
        return outputs

    def bit_operations(self) -> Tensor:
        """Return EBOPs; a convolution counts once for each window."""
        widths = self.input.widths.flatten()
        total = widths.new_zeros(())
        for layer in self.layers:
            cost, widths = layer.bit_operations(widths)
            total = total + cost
        dense, _ = self.dense.bit_operations(widths.expand(self.filters).repeat(self.places))
        return total + dense

    def input_formats(self) -> dict[str, Format]:
        """Return the formats of `image` (channel, row, column)."""
        k, i, f = (np.broadcast_to(bits, self.image) for bits in self.input.kif)
        return {"image": (k, i, f)}

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
    quantisation: QuantisationOptions,
) -> Any:
    layers: list[QuantisedConvolution | MaxPooling] = []
    for block in filters:
        for count in block:
            if padding == "valid":
                _check_size(shape, kernel, "kernel")
            windows = Windows.of(shape, kernel, padding=padding)
            layers.append(QuantisedConvolution(windows, channels, count, quantisation))
            channels, shape = count, layers[-1].shape
        _check_size(shape, pool, "pool")
        layers.append(MaxPooling(shape, pool))
        shape = layers[-1].shape
    return nn.Sequential(*layers)


def _check_size(shape: Sequence[int], size: Sequence[int], option: str) -> None:
    if any(n < w for n, w in zip(shape, size, strict=True)):
        raise StudyError(
            f"model 'quantised_image_cnn' applies a '{option}' of {size[0]} × {size[1]} to only "
            f"{shape[0]} × {shape[1]} pixels; give fewer 'filters' or a larger image"
        )
