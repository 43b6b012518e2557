"""Quantised convolutions and max-pooling, in one and two dimensions.

Pixels lie one after the other, channels last: (…, pixel, channel). A window is a row of pixel
numbers, so that the same lines serve every number of dimensions; a pixel outside of the image is 0.
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
from bunchtrain.networks.layers.quantised.linear import Formats, QuantisedLinear

Padding = Literal["valid", "same"]


@dataclass(frozen=True)
class Windows:
    """Windows that slide over the pixels of an image.

    shape   pixels along each axis.
    size    pixels of a window along each axis.
    step    pixels from one window to the next along each axis.
    before  rows (columns, …) of zeros before the image, along each axis.
    after   the same after it.
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
        """Return windows one pixel apart, if there is no other `step`.

        padding  "valid": no window reaches beyond the image; "same": as many as there are pixels.
        """
        none = (0,) * len(shape)
        before, after = tuple((w - 1) // 2 for w in size), tuple(w // 2 for w in size)
        beyond = (before, after) if padding == "same" else (none, none)
        return cls(tuple(shape), tuple(size), tuple(step or (1,) * len(shape)), *beyond)

    @property
    def places(self) -> tuple[int, ...]:
        """Windows along each axis."""
        return tuple(len(self.begins(axis)) for axis in range(len(self.shape)))

    def begins(self, axis: int) -> list[int]:
        """Return where each window begins along an axis, below 0 in the zeros before the image."""
        before, after = self.before[axis], self.after[axis]
        last = self.shape[axis] + after - self.size[axis]
        return list(range(-before, last + 1, self.step[axis]))

    def index(self) -> Integers:
        """Return the pixels of each window, −1 beyond the image, (windows, pixels of a window)."""
        pixels = np.pad(
            np.arange(np.prod(self.shape)).reshape(self.shape),
            list(zip(self.before, self.after, strict=True)),
            constant_values=-1,
        )
        begins = np.array(list(product(*map(self.begins, range(len(self.shape))))))
        found = [
            pixels[tuple(slice(b, b + w) for b, w in zip(begin, self.size, strict=True))]
            for begin in begins + np.array(self.before)
        ]
        return np.array(found, np.int64).reshape(-1, int(np.prod(self.size)))


class Sliding(nn.Module):
    """A layer that does the same to what each of its windows shows.

    Args:
        windows: the windows over the pixels that come in.
    """

    index: Tensor

    def __init__(self, windows: Windows) -> None:
        super().__init__()
        self.windows, self.shape = windows, windows.places
        self.register_buffer("index", torch.from_numpy(windows.index()))

    def shown(self, x: Tensor) -> Tensor:
        """Return (batch, window, pixel of the window, channel) from (batch, pixel, channel)."""
        seen = x.index_select(1, self.index.flatten().clamp(min=0))
        seen = seen.reshape(x.shape[0], *self.index.shape, x.shape[-1])
        return seen.masked_fill(self.index[..., None] < 0, 0.0) if any(self.windows.after) else seen

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, window, filter) from (…, pixel, channel) as arrays."""
        index = self.index.numpy(force=True)
        seen = x[..., index, :]
        if any(self.windows.after):
            seen = seen * (index >= 0).astype(float)[..., None]
        return self.exact_window(seen, arithmetic)

    def exact_window(self, shown: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, filter) from what a window shows, (…, pixel of the window, channel)."""
        raise NotImplementedError


class QuantisedConvolution(Sliding):
    """y_p = Q(max(W x_p + b, 0)) at each place p of a window, x_p being all that it shows.

    Args:
        windows: where the kernel is laid.
        channels: numbers of a pixel.
        filters: numbers of a pixel of the output.
        formats: how it is quantised; a filter has the same formats at all places.
    """

    def __init__(self, windows: Windows, channels: int, filters: int, formats: Formats) -> None:
        super().__init__(windows)
        self.channels = channels
        size = self.index.shape[1] * channels
        activation = formats.activation(filters)
        self.layer = QuantisedLinear(size, filters, formats, activation, rectify=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, place, filter) from (batch, pixel, channel)."""
        output: Tensor = self.layer(self.shown(x).flatten(2))
        return output

    def exact_window(self, shown: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, filter) from what a window shows, (…, pixel of the window, channel)."""
        return self.layer.exact(shown.reshape(*shown.shape[:-2], -1), arithmetic)

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return EBOPs of all places at once, and the bits of the filters from the channels'."""
        seen = widths.expand(self.channels).repeat(self.index.shape[1])
        return len(self.index) * self.layer.bit_operations(seen), self.layer.widths


class MaxPooling(Sliding):
    """The largest of each channel in windows that do not overlap; it costs no bit operation."""

    def __init__(self, shape: Sequence[int], size: Sequence[int]) -> None:
        super().__init__(Windows.of(shape, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, window, channel) from (batch, pixel, channel)."""
        return self.shown(x).amax(2)

    def exact_window(self, shown: Any, arithmetic: Arithmetic) -> Any:
        """Return (…, channel) from what a window shows, (…, pixel of the window, channel)."""
        return np.max(shown, axis=-2)

    def bit_operations(self, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return 0, and the bits as they are."""
        return torch.zeros(()), widths
