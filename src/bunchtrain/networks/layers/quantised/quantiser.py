"""The quantiser of activations: fixed-point numbers whose range is seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.fixed_point import (
    Overflow,
    fixed_point,
    integer_bits,
    integer_bits_of,
    limits,
)
from bunchtrain.networks.layers.quantised.fraction import Fraction, count

#: Steps of the training after which a batch is looked at, and what is left of the range then.
EVERY, DECAY = 8, 0.99


class Quantiser(nn.Module):
    """Fixed-point numbers of k sign, i integer and f fractional bits for each element.

    The range is the largest seen: slowly forgotten while the network changes, and taken anew from
    the whole training set when `observing`. i is the least that holds it. Either f is learned, or
    the width k + i + f is fixed and f follows.

    Args:
        shape: shape of the widths, broadcast to the last axes of what is quantised: (features,),
            (1,) for one width for all, (channels, 1, 1) for an image.
        signed: whether there are negative values.
        bits: width with the sign; with `learned`, where the learning begins.
        learned: whether f is learned.
        most: integer bits at most, values beyond being clipped.
        overflow: what happens beyond the range.
        frozen: i and f where they never change.
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
        most: int | None = None,
        overflow: Overflow = "WRAP",
        frozen: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.bits, self.learned, self.most, self.overflow = bits, learned, most, overflow
        self.signed = signed
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.active, self.observing, self.frozen = True, False, frozen is not None
        integer, fraction = frozen or (0, bits - signed)
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("integer", torch.full(shape, float(integer)))
        self.register_buffer("sign", torch.full(shape, float(signed)))
        self.fraction = Fraction(torch.full(shape, float(fraction)), learned)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (batch, …, shape) in fixed point, or as it is when not `active`."""
        if self.observing:
            self.observe(x.detach())
        elif self.training:
            self._follow(x.detach())
        if not self.active:
            return x
        if self.overflow == "WRAP" and (self.training or self.observing):
            return self.fraction.round(x)
        if self.overflow == "SAT":
            return self.fraction.round(self._clipped(x))
        return fixed_point(x, self.sign, self.integer, self.fraction(), "RND", self.overflow)

    def _clipped(self, x: Tensor) -> Tensor:
        """Return x within the range, whose ends are whole steps; 0 where there is no bit."""
        low, high = limits(self.sign, self.integer, self.fraction(), "SAT")
        return x.clamp(low, high.relu())

    def forget(self) -> None:
        """Forget the range."""
        self.low.zero_()
        self.high.zero_()

    def observe(self, x: Tensor) -> None:
        """Widen the range to these values."""
        shape = (1,) * (x.ndim - self.low.ndim) + tuple(self.low.shape)
        axes = [axis for axis, size in enumerate(shape) if size == 1]
        if self.frozen or not x.numel():
            return
        high = x.amax(axes, keepdim=True).reshape(self.high.shape)
        torch.maximum(self.high, high, out=self.high)
        if self.signed:
            low = x.amin(axes, keepdim=True).reshape(self.low.shape)
            torch.minimum(self.low, low, out=self.low)

    def _follow(self, x: Tensor) -> None:
        """Set the format anew, once in some steps of the training, and forget old extremes."""
        if int(self.steps) % EVERY == 0:
            self.observe(x)
            self.settle()
            self.low *= DECAY
            self.high *= DECAY
        self.steps += 1

    @torch.no_grad()
    def settle(self) -> None:
        """Set the integer bits from the range, and f where the width is fixed."""
        if self.frozen:
            return
        low = self.low * self.sign
        if self.learned:
            self.integer.copy_(self._capped(integer_bits(low, self.high, self.fraction())))
        else:
            bits = self.bits - self.sign
            self.integer.copy_(self._capped(integer_bits_of(low, self.high, bits)))
            self.fraction.set(bits - self.integer)

    def _capped(self, integer: Tensor) -> Tensor:
        return integer if self.most is None else integer.clamp(max=float(self.most))

    @property
    def widths(self) -> Tensor:
        """Bits without the sign, max(i + f, 0), in the shape of the format, with gradient."""
        return count(self.integer + self.fraction(), self.fraction.share)

    @property
    def kif(self) -> tuple[Integers, Integers, Integers]:
        """The format as arrays of integers: sign, integer and fractional bits."""
        k, i, f = (
            bits.detach().numpy(force=True).astype(np.int64)
            for bits in (self.sign, self.integer, self.fraction())
        )
        return k, i, f

    def overflowing(self, x: Tensor) -> Tensor:
        """Tell which values lie beyond the range by more than rounding, in the shape of x."""
        f: Tensor = self.fraction()
        low, high = limits(self.sign, self.integer, f, self.overflow)
        half = torch.exp2(-f) / 2
        return ((x < low - half) | (x >= high + half)) & (self.sign + self.integer + f > 0)

    def exact(self, x: Any, arithmetic: Arithmetic) -> Any:
        """Return an array in fixed point."""
        k, i, f = (np.broadcast_to(bits, x.shape) for bits in self.kif)
        return arithmetic.quantize(x, k, i, f, self.overflow, "RND")


def widths_together(quantisers: Sequence[Quantiser]) -> list[Tensor]:
    """Return `widths` of several quantisers of vectors, counted at once."""
    share = torch.cat([one.fraction.share for one in quantisers])
    whole = torch.cat([one.integer + one.fraction() for one in quantisers])
    return list(torch.split(count(whole, share), [len(one.integer) for one in quantisers]))
