"""Large buffers that are used again, step after step.

Memory that the system hands out afresh is cleared page by page, at a tenth of the rate at which it
is written afterwards; for tensors of a row an edge that costs as much as the arithmetic.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

_free: list[Tensor] = []


class Lease:
    """Buffers that are lent until they are given back or the lease is forgotten."""

    def __init__(self) -> None:
        self._lent: list[Tensor] = []

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return a tensor of this shape whose values are not set."""
        number = prod(shape)
        fitting = [b for b in _free if b.dtype == like.dtype and b.device == like.device]
        large = [buffer for buffer in fitting if buffer.numel() >= number]
        if large:
            buffer = _take(min(large, key=torch.numel))
        else:
            if fitting:
                _take(max(fitting, key=torch.numel))  # too small: it goes for the one made here
            buffer = like.new_empty(number + number // 8)
        self._lent.append(buffer)
        return buffer[:number].view(shape)

    def give_back(self) -> None:
        """Return all buffers; what was made of them must not be used any more."""
        _free.extend(self._lent)
        self._lent = []

    def __del__(self) -> None:
        self.give_back()


def _take(buffer: Tensor) -> Tensor:
    _free[:] = [other for other in _free if other is not buffer]
    return buffer
