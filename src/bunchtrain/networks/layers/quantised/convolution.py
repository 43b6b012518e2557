"""Quantised convolutions and max-pooling, in one and two dimensions.

Images are flattened with channels last, (…, pixel, channel), and a window is a row of pixel
indices, so that the same code serves any number of dimensions; pixels outside of the image are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.linear import QuantisedLinear
from bunchtrain.networks.layers.quantised.options import QuantisationOptions

Padding = Literal["valid", "same"]


@dataclass(frozen=True)
class Windows:
    """Sliding windows over the pixels of an image.

    shape   pixels along each axis.
    size    pixels of a window along each axis.
    step    pixels between windows (stride) along each axis.
    before  rows (columns, …) of zero padding before the image, along each axis.
    after   rows of zero padding after the image.
    """

    shape: tuple[int, ...]
    size: tuple[int, ...]
    step: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(
        cls,
        shape: Sequence[int],
        size: Sequence[int],
        step: Sequence[int] | None = None,
        padding: Padding = "valid",
    ) -> Windows:
        """Return windows, with stride 1 by default.

        padding  "valid": windows inside of the image only; "same": one window per pixel.
        """
        none = (0,) * len(shape)
        before, after = tuple((w - 1) // 2 for w in size), tuple(w // 2 for w in size)
        beyond = (before, after) if padding == "same" else (none, none)
        return cls(tuple(shape), tuple(size), tuple(step or (1,) * len(shape)), *beyond)

    @property
    def places(self) -> tuple[int, ...]:
        """Number of windows along each axis."""
        return tuple(len(self.begins(axis)) for axis in range(len(self.shape)))

    def begins(self, axis: int) -> list[int]:
        """Return the first pixel of each window along an axis, negative in the padding."""
        before, after = self.before[axis], self.after[axis]
        last = self.shape[axis] + after - self.size[axis]
        return list(range(-before, last + 1, self.step[axis]))

    def index(self) -> Integers:
        """Return the pixel indices, (windows, pixels of a window), −1 for padding."""
        pixels = np.pad(
            np.arange(np.prod(self.shape)).reshape(self.shape),
            list(zip(self.before, self.after, strict=True)),
            constant_values=-1,
        )
        begins = np.array(list(product(*map(self.begins, range(len(self.shape))))))
        windows = [
            pixels[tuple(slice(b, b + w) for b, w in zip(begin, self.size, strict=True))]
            for begin in begins + np.array(self.before)
        ]
        return np.array(windows, np.int64).reshape(-1, int(np.prod(self.size)))


class Sliding(nn.Module):
    """A layer that applies the same function to each window.

    windows  windows over the input pixels.
    """

    index: Tensor

    def __init__(self, windows: Windows) -> None:
        super().__init__()
        self.windows, self.shape = windows, windows.places
        self.register_buffer("index", torch.from_numpy(windows.index()))

    def gather(self, x: Tensor) -> Tensor:
        """Return (batch, window, pixel of the window, channel) from (batch, pixel, channel)."""
        pixels = x.index_select(1, self.index.flatten().clamp(min=0))
        pixels = pixels.reshape(x.shape[0], *self.index.shape, x.shape[-1])
        if any(self.windows.after):
            pixels = pixels.masked_fill(self.index[..., None] < 0, 0.0)
        return pixels

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, window, filter) from (…, pixel, channel) as arrays."""
        index = self.index.numpy(force=True)
        pixels = x[..., index, :]
        if any(self.windows.after):
            pixels = pixels * (index >= 0).astype(float)[..., None]
        return self.exact_window(pixels, arithmetic)

    def exact_window(self, pixels: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, filter) from a window's (…, pixel of the window, channel), as arrays."""
        raise NotImplementedError


class QuantisedConvolution(Sliding):
    """y_p = Q(max(W x_p + b, 0)) of the pixels x_p of each window p.

    windows   positions of the kernel.
    channels  input channels.
    filters   output channels.
    options   number formats; a filter has the same formats in all windows.
    """

    def __init__(
        self, windows: Windows, channels: int, filters: int, options: QuantisationOptions
    ) -> None:
        super().__init__(windows)
        self.channels = channels
        size = self.index.shape[1] * channels
        activation = options.make_quantiser(filters)
        self.layer = QuantisedLinear(size, filters, options, activation, rectify=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, window, filter) from (batch, pixel, channel)."""
        output: Tensor = self.layer(self.gather(x).flatten(2))
        return output

    def exact_window(self, pixels: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, filter) from a window's (…, pixel of the window, channel), as arrays."""
        return self.layer.exact(pixels.reshape(*pixels.shape[:-2], -1), arithmetic)

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return EBOPs of all windows together, and the bits of the filters from the channels'."""
        pixels = widths.expand(self.channels).repeat(self.index.shape[1])
        return len(self.index) * self.layer.bit_operations(pixels), self.layer.widths


class MaxPooling(Sliding):
    """Maximum of each channel in windows that do not overlap; no bit operations."""

    def __init__(self, shape: Sequence[int], size: Sequence[int]) -> None:
        super().__init__(Windows.of(shape, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, window, channel) from (batch, pixel, channel)."""
        return self.gather(x).amax(2)

    def exact_window(self, pixels: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, channel) from a window's (…, pixel of the window, channel), as arrays."""
        return np.max(pixels, axis=-2)

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return 0, and the unchanged bits."""
        return torch.zeros(()), widths
