"""Quantised convolutions and max-pooling, in one and two dimensions, without padding.

Pixels lie one after the other, channels last: (…, pixel, channel). A window is a row of pixel
numbers, so that the same lines serve every number of dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.models.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.models.layers.quantised.linear import Formats, QuantisedLinear


def windows(shape: Sequence[int], size: Sequence[int], step: Sequence[int]) -> Integers:
    """Return the pixels of each window that lies inside, (windows, pixels of a window)."""
    pixels = np.arange(np.prod(shape)).reshape(shape)
    counts = [(n - w) // s + 1 for n, w, s in zip(shape, size, step, strict=True)]
    begins = product(*(range(0, n * s, s) for n, s in zip(counts, step, strict=True)))
    found = [
        pixels[tuple(slice(b, b + w) for b, w in zip(begin, size, strict=True))].ravel()
        for begin in begins
    ]
    return np.array(found, np.int64).reshape(-1, int(np.prod(size)))


class QuantisedConvolution(nn.Module):
    """y_p = Q(max(W x_p + b, 0)) at each place p of a window, x_p being all that it shows.

    Args:
        shape: pixels along each axis.
        kernel: size of the window along each axis.
        channels: numbers of a pixel.
        filters: numbers of a pixel of the output.
        formats: how it is quantised; a filter has the same formats at all places.
    """

    index: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        kernel: Sequence[int],
        channels: int,
        filters: int,
        formats: Formats,
    ) -> None:
        super().__init__()
        self.register_buffer("index", torch.from_numpy(windows(shape, kernel, [1] * len(shape))))
        self.shape = tuple(n - w + 1 for n, w in zip(shape, kernel, strict=True))
        self.channels = channels
        size = self.index.shape[1] * channels
        activation = formats.activation(filters)
        self.layer = QuantisedLinear(size, filters, formats, activation, rectify=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, place, filter) from (batch, pixel, channel)."""
        shown = x.index_select(1, self.index.flatten())
        output: Tensor = self.layer(shown.reshape(len(x), len(self.index), -1))
        return output

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, place, filter) from (…, pixel, channel) as arrays."""
        shown = x[..., self.index.numpy(force=True), :]
        return self.layer.exact(shown.reshape(*shown.shape[:-2], -1), arithmetic)

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return EBOPs of all places at once, and the bits of the filters from the channels'."""
        seen = widths.expand(self.channels).repeat(self.index.shape[1])
        return len(self.index) * self.layer.bit_operations(seen), self.layer.widths


class MaxPooling(nn.Module):
    """The largest of each channel in windows that do not overlap; it costs no bit operation."""

    index: Tensor

    def __init__(self, shape: Sequence[int], size: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("index", torch.from_numpy(windows(shape, size, size)))
        self.shape = tuple(n // w for n, w in zip(shape, size, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, window, channel) from (batch, pixel, channel)."""
        shown = x.index_select(1, self.index.flatten())
        return shown.reshape(len(x), *self.index.shape, x.shape[-1]).amax(2)

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, window, channel) from (…, pixel, channel) as arrays."""
        return np.max(x[..., self.index.numpy(force=True), :], axis=-2)

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return 0, and the bits as they are."""
        return torch.zeros(()), widths
