"""Quantised weights: fixed-point of fixed or learned width, binary, ternary; pruned by a mask.

Fixed-point weights follow arXiv:2405.00645 where f is learned; binary weights are ±α
(BinaryConnect, arXiv:1511.00363), ternary ones −α, 0 or α (arXiv:1605.04711), with α the nearest
power of two to the mean of |w|, so that no multiplication is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.quantised.fixed_point import (
    bits_of_steps,
    fixed_point,
    integer_bits_of,
    straight,
)
from bunchtrain.networks.layers.quantised.fraction import (
    Fraction,
    bits_of_share,
    count,
    round_together,
)

Granularity = Literal["layer", "channel", "weight"]
Kind = Literal["fixed", "learned", "binary", "ternary"]


class Weights(nn.Module):
    """Weights that are used quantised, and trained as real numbers.

    value     real numbers (output, …).
    mask      1 for a weight, 0 for one that is pruned, (output, …).
    masked    whether the mask is used.
    """

    mask: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.active, self.masked = True, False
        self._last: Tensor | None = None
        self.value = nn.Parameter(value.detach().clone())
        self.register_buffer("mask", torch.ones_like(value))

    def forward(self) -> Tensor:
        """Return the weights as they are used, (output, …)."""
        used = self.quantised() if self.active else self.value
        return self.keep(used * self.mask if self.masked else used)

    def keep(self, used: Tensor) -> Tensor:
        """Return the weights as they are used, of which `last` tells afterwards."""
        self._last = used.detach() if self.training else None
        return used

    @property
    def last(self) -> Tensor:
        """The weights as they were used last in training, else as they are, without gradient."""
        with torch.no_grad():
            return self() if self._last is None or not self.training else self._last

    def quantised(self) -> Tensor:
        """Return the weights in their format, with a gradient for the real ones."""
        raise NotImplementedError

    def widths(self, used: Tensor) -> Tensor:
        """Return the bits of each weight without the sign, (output, …), 0 for a weight of 0.

        used  what `forward` gave.
        """
        raise NotImplementedError


class FixedPointWeights(Weights):
    """Weights in fixed point; f learned by layer, output channel or weight, or a fixed width.

    Of a fixed width of b bits, one is the sign and `integer` are integer bits, values beyond being
    clipped; `integer` None takes the least that hold the weights, as does a learned f.
    """

    def __init__(
        self,
        value: Tensor,
        bits: int,
        learned: bool = False,
        granularity: Granularity = "layer",
        integer: int | None = 0,
    ) -> None:
        super().__init__(value)
        self.bits, self.learned, self.integer = bits, learned, integer
        rest = (1,) * (value.ndim - 1)
        shapes = {
            "layer": (1, *rest),
            "channel": (value.shape[0], *rest),
            "weight": tuple(value.shape),
        }
        start = torch.full(shapes[granularity], float(bits - 1 - (integer or 0)))
        self.fraction = Fraction(start, learned)

    def quantised(self) -> Tensor:
        """Return the weights, rounded half up."""
        if self.learned:
            return self.fraction.round(self.value)
        f = self.fraction()
        one, i = torch.ones_like(f), torch.full_like(f, self.integer or 0)
        if self.integer is None:
            low, high = self._range(self.value.detach())
            i = integer_bits_of(low.clamp(max=0), high.clamp(min=0), self.bits - one)
            f = self.bits - one - i
            self.fraction.set(f)
        return fixed_point(self.value, one, i, f, "RND", "SAT")

    def widths(self, used: Tensor) -> Tensor:
        """Return max(i + f, 0) of each weight's group, with a gradient for f."""
        if not self.learned:
            return (self.bits - 1.0) * (used.detach() != 0)
        needed = bits_of_steps(*self._range(used.detach() * torch.exp2(self.fraction())))
        bits = count(needed, self.fraction.share)
        return bits if bits.shape == used.shape else bits * (used.detach() != 0)

    def _range(self, values: Tensor) -> tuple[Tensor, Tensor]:
        groups = self.fraction.share.shape
        axes = [axis for axis, size in enumerate(groups) if size < values.shape[axis]]
        if not axes:
            return values, values
        return values.amin(axes, True).clamp(max=0), values.amax(axes, True).clamp(min=0)


def each_used(weights: Sequence[Weights]) -> list[Tensor]:
    """Return what each of the weights gives, all at once where each number has its own width."""
    shares = _own_shares(weights)
    if shares is None or any(one.masked or not one.active for one in weights):
        return [one() for one in weights]
    rounded = round_together([one.value for one in weights], shares)
    return [one.keep(used) for one, used in zip(weights, rounded, strict=True)]


def each_width(weights: Sequence[Weights]) -> Tensor | None:
    """Return the bits of all weights side by side, as `widths`, if each number has its own."""
    shares = _own_shares(weights)
    if shares is None:
        return None
    share = torch.cat([share.flatten() for share in shares])
    used = torch.cat([one.last.flatten() for one in weights])
    steps = used * torch.exp2(bits_of_share(share.detach()))
    return count(bits_of_steps(steps, steps), share)


def _own_shares(weights: Sequence[Weights]) -> list[Tensor] | None:
    """Return the trained f of weights of which each number learns its own, else None."""
    shares = [
        one.fraction.share
        for one in weights
        if isinstance(one, FixedPointWeights)
        and one.learned
        and one.fraction.share.shape == one.value.shape
    ]
    return shares if len(shares) == len(weights) else None


class BinaryWeights(Weights):
    """Weights ±α with one α = 2^round(log₂ mean|w|) for the layer (arXiv:1511.00363)."""

    def quantised(self) -> Tensor:
        """Return ±α; the gradient passes where |w| ≤ 1."""
        alpha = _power_of_two(self.value.detach().abs().mean())
        clipped = self.value.clamp(-1, 1)
        sign = torch.where(self.value >= 0, alpha, -alpha)
        return straight(sign, clipped)

    def widths(self, used: Tensor) -> Tensor:
        """Return 1 bit each."""
        return (used.detach() != 0).to(used.dtype)


class TernaryWeights(Weights):
    """Weights −α, 0, α: 0 where |w| ≤ 0.7·mean|w|, α the mean of the rest (arXiv:1605.04711).

    α is rounded to a power of two.
    """

    def quantised(self) -> Tensor:
        """Return −α, 0 or α; the gradient passes as if they were the real weights."""
        size = self.value.detach().abs()
        kept = size > 0.7 * size.mean()
        alpha = _power_of_two(size[kept].mean() if bool(kept.any()) else size.new_ones(()))
        return straight(torch.where(kept, self.value.detach().sign() * alpha, 0.0), self.value)

    def widths(self, used: Tensor) -> Tensor:
        """Return 1 bit for each weight that is not 0."""
        return (used.detach() != 0).to(used.dtype)


def quantised_weights(
    value: Tensor, kind: Kind, bits: int, granularity: Granularity, integer: int | None = 0
) -> Weights:
    """Return weights of a kind that begin at these values."""
    if kind == "binary":
        return BinaryWeights(value)
    if kind == "ternary":
        return TernaryWeights(value)
    return FixedPointWeights(value, bits, kind == "learned", granularity, integer)


def _power_of_two(x: Tensor) -> Tensor:
    return torch.exp2(torch.log2(x.clamp(min=math.ldexp(1, -24))).round())
