"""Quantiser of activations: fixed-point numbers whose range is observed in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.fixed_point import (
    Fraction,
    Overflow,
    count_bits,
    fixed_point,
    integer_bits,
    integer_bits_at_width,
    limits,
)

#: Training steps between observations of the range, and its decay at each of them.
OBSERVE_EVERY, DECAY = 8, 0.99


class Quantiser(nn.Module):
    """Fixed-point numbers of k sign, i integer and f fractional bits for each element.

    The range is the running maximum, which decays while the network changes, and that of the
    entire training set when `observing`. i is the smallest that holds it. Either f is learned, or
    the width k + i + f is fixed and determines f.

    shape        shape of the widths, broadcast to the last axes of the input: (features,), (1,) for
                 one width for all, (channels, 1, 1) for an image.
    signed       whether there are negative values.
    bits         width with the sign; with `learned`, its initial value.
    learned      whether f is learned.
    max_integer  maximum number of integer bits; values beyond are clipped.
    overflow     overflow mode beyond the range.
    frozen       constant i and f.
    """

    low: Tensor  # (shape)
    high: Tensor
    integer: Tensor
    sign: Tensor
    steps: Tensor  # ()

    def __init__(
        self,
        shape: tuple[int, ...],
        signed: bool,
        bits: int,
        learned: bool = False,
        max_integer: int | None = None,
        overflow: Overflow = "WRAP",
        frozen: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.bits, self.learned, self.signed = bits, learned, signed
        self.max_integer, self.overflow = max_integer, overflow
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.active, self.observing, self.frozen = True, False, frozen is not None
        integer, fraction = frozen or (0, bits - signed)
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("integer", torch.full(shape, float(integer)))
        self.register_buffer("sign", torch.full(shape, float(signed)))
        self.fraction = Fraction(torch.full(shape, float(fraction)), learned)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (batch, …, shape) in fixed point, or unchanged when not `active`."""
        if self.observing:
            self.observe(x.detach())
        elif self.training:
            self._update(x.detach())
        if not self.active:
            return x
        if self.overflow == "WRAP" and (self.training or self.observing):
            return self.fraction.round(x)
        if self.overflow == "SAT":
            return self.fraction.round(self._clip(x))
        return fixed_point(x, self.sign, self.integer, self.fraction(), "RND", self.overflow)

    def _clip(self, x: Tensor) -> Tensor:
        """Return x clipped to the range, whose ends are multiples of 2⁻ᶠ; 0 for no bits."""
        low, high = limits(self.sign, self.integer, self.fraction(), "SAT")
        return x.clamp(low, high.relu())

    def observe(self, x: Tensor) -> None:
        """Extend the range to these values."""
        shape = (1,) * (x.ndim - self.low.ndim) + tuple(self.low.shape)
        axes = [axis for axis, size in enumerate(shape) if size == 1]
        if self.frozen or not x.numel():
            return
        high = x.amax(axes, keepdim=True).reshape(self.high.shape)
        torch.maximum(self.high, high, out=self.high)
        if self.signed:
            low = x.amin(axes, keepdim=True).reshape(self.low.shape)
            torch.minimum(self.low, low, out=self.low)

    def _update(self, x: Tensor) -> None:
        """Update range and format every few training steps, with a decay of old extremes."""
        if int(self.steps) % OBSERVE_EVERY == 0:
            self.observe(x)
            self.update_format()
            self.low *= DECAY
            self.high *= DECAY
        self.steps += 1

    @torch.no_grad()
    def update_format(self) -> None:
        """Set the integer bits from the range, and f where the width is fixed."""
        if self.frozen:
            return
        low = self.low * self.sign
        if self.learned:
            self.integer.copy_(self._limit(integer_bits(low, self.high, self.fraction())))
        else:
            bits = self.bits - self.sign
            self.integer.copy_(self._limit(integer_bits_at_width(low, self.high, bits)))
            self.fraction.set(bits - self.integer)

    def _limit(self, integer: Tensor) -> Tensor:
        return integer if self.max_integer is None else integer.clamp(max=float(self.max_integer))

    @property
    def widths(self) -> Tensor:
        """Bits without the sign, max(i + f, 0), in the shape of the format, with gradient."""
        return count_bits(self.integer + self.fraction(), self.fraction.share)

    @property
    def kif(self) -> tuple[Integers, Integers, Integers]:
        """The format as arrays of integers: sign, integer and fractional bits."""
        k, i, f = (
            bits.detach().numpy(force=True).astype(np.int64)
            for bits in (self.sign, self.integer, self.fraction())
        )
        return k, i, f

    def overflow_mask(self, x: Tensor) -> Tensor:
        """Return the mask of values beyond the range by more than rounding, shaped as x."""
        f: Tensor = self.fraction()
        low, high = limits(self.sign, self.integer, f, self.overflow)
        half = torch.exp2(-f) / 2
        return ((x < low - half) | (x >= high + half)) & (self.sign + self.integer + f > 0)

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return an array in fixed point."""
        k, i, f = (np.broadcast_to(bits, x.shape) for bits in self.kif)
        return arithmetic.quantize(x, k, i, f, self.overflow, "RND")


def fused_widths(quantisers: Sequence[Quantiser]) -> list[Tensor]:
    """Return `widths` of several quantisers of vectors by one operation."""
    share = torch.cat([one.fraction.share for one in quantisers])
    bits = torch.cat([one.integer + one.fraction() for one in quantisers])
    return list(torch.split(count_bits(bits, share), [len(one.integer) for one in quantisers]))
