"""Quantised weights: fixed-point of fixed or learned width, binary, ternary; with pruning masks.

Fixed-point weights of learned f follow arXiv:2405.00645; binary weights are ±α (BinaryConnect,
arXiv:1511.00363), ternary ones −α, 0 or α (arXiv:1605.04711), with α the power of two nearest to
the mean of |w|, so that no multiplication is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.quantised.fixed_point import (
    Fraction,
    bits_of_share,
    bits_of_steps,
    count_bits,
    fixed_point,
    fused_round,
    integer_bits_at_width,
    straight_through,
)

Granularity = Literal["layer", "channel", "weight"]
Kind = Literal["fixed", "learned", "binary", "ternary"]


class Weights(nn.Module):
    """Weights quantised in the forward pass and trained as real numbers.

    value     real weights (output, …).
    mask      0 for pruned weights, else 1, (output, …).
    masked    whether the mask is applied.
    """

    mask: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.active, self.masked = True, False
        self._last: Tensor | None = None
        self.value = nn.Parameter(value.detach().clone())
        self.register_buffer("mask", torch.ones_like(value))

    def forward(self) -> Tensor:
        """Return the quantised and masked weights, (output, …)."""
        used = self.quantise() if self.active else self.value
        return self.store(used * self.mask if self.masked else used)

    def store(self, used: Tensor) -> Tensor:
        """Return the weights of a forward pass and store them as `last`."""
        self._last = used.detach() if self.training else None
        return used

    @property
    def last(self) -> Tensor:
        """The weights of the last forward pass in training, else the present ones; no gradient."""
        with torch.no_grad():
            return self() if self._last is None or not self.training else self._last

    def quantise(self) -> Tensor:
        """Return the weights in their format, with a gradient for the real ones."""
        raise NotImplementedError

    def widths(self, used: Tensor) -> Tensor:
        """Return the bits of each weight without the sign, (output, …), 0 for a weight of 0.

        used  the weights returned by `forward`.
        """
        raise NotImplementedError


class FixedPointWeights(Weights):
    """Weights in fixed point: learned f for layer, output channel or weight, or a fixed width.

    A fixed width of b bits has one sign bit and `integer` integer bits, and clips larger values;
    with `integer` None or learned f, the integer bits are the fewest that hold the weights.
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

    def quantise(self) -> Tensor:
        """Return the weights, rounded half up."""
        if self.learned:
            return self.fraction.round(self.value)
        f = self.fraction()
        one, i = torch.ones_like(f), torch.full_like(f, self.integer or 0)
        if self.integer is None:
            low, high = self._range(self.value.detach())
            i = integer_bits_at_width(low.clamp(max=0), high.clamp(min=0), self.bits - one)
            f = self.bits - one - i
            self.fraction.set(f)
        return fixed_point(self.value, one, i, f, "RND", "SAT")

    def widths(self, used: Tensor) -> Tensor:
        """Return max(i + f, 0) of each weight's group, with a gradient for f."""
        if not self.learned:
            return (self.bits - 1.0) * (used.detach() != 0)
        needed = bits_of_steps(*self._range(used.detach() * torch.exp2(self.fraction())))
        bits = count_bits(needed, self.fraction.share)
        return bits if bits.shape == used.shape else bits * (used.detach() != 0)

    def _range(self, values: Tensor) -> tuple[Tensor, Tensor]:
        groups = self.fraction.share.shape
        axes = [axis for axis, size in enumerate(groups) if size < values.shape[axis]]
        if not axes:
            return values, values
        return values.amin(axes, True).clamp(max=0), values.amax(axes, True).clamp(min=0)


def fused_forward(weights: Sequence[Weights]) -> list[Tensor]:
    """Return the forward pass of each, by one operation if each weight has its own width."""
    shares = _shares_per_weight(weights)
    if shares is None or any(one.masked or not one.active for one in weights):
        return [one() for one in weights]
    rounded = fused_round([one.value for one in weights], shares)
    return [one.store(used) for one, used in zip(weights, rounded, strict=True)]


def fused_weight_widths(weights: Sequence[Weights]) -> Tensor | None:
    """Return the concatenated `widths` of all weights if each weight has its own, else None."""
    shares = _shares_per_weight(weights)
    if shares is None:
        return None
    share = torch.cat([share.flatten() for share in shares])
    used = torch.cat([one.last.flatten() for one in weights])
    steps = used * torch.exp2(bits_of_share(share.detach()))
    return count_bits(bits_of_steps(steps, steps), share)


def _shares_per_weight(weights: Sequence[Weights]) -> list[Tensor] | None:
    """Return the trained f if each weight has its own, else None."""
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

    def quantise(self) -> Tensor:
        """Return ±α; the gradient passes where |w| ≤ 1."""
        alpha = _power_of_two(self.value.detach().abs().mean())
        clipped = self.value.clamp(-1, 1)
        sign = torch.where(self.value >= 0, alpha, -alpha)
        return straight_through(sign, clipped)

    def widths(self, used: Tensor) -> Tensor:
        """Return 1 bit each."""
        return (used.detach() != 0).to(used.dtype)


class TernaryWeights(Weights):
    """Weights −α, 0, α: 0 where |w| ≤ 0.7·mean|w|, α the mean of the rest (arXiv:1605.04711).

    α is rounded to a power of two.
    """

    def quantise(self) -> Tensor:
        """Return −α, 0 or α, with the gradient of the real weights."""
        size = self.value.detach().abs()
        nonzero = size > 0.7 * size.mean()
        alpha = _power_of_two(size[nonzero].mean() if bool(nonzero.any()) else size.new_ones(()))
        return straight_through(
            torch.where(nonzero, self.value.detach().sign() * alpha, 0.0), self.value
        )

    def widths(self, used: Tensor) -> Tensor:
        """Return 1 bit for each non-zero weight."""
        return (used.detach() != 0).to(used.dtype)


def make_weights(
    value: Tensor, kind: Kind, bits: int, granularity: Granularity, integer: int | None = 0
) -> Weights:
    """Return weights of a kind with these initial values."""
    if kind == "binary":
        return BinaryWeights(value)
    if kind == "ternary":
        return TernaryWeights(value)
    return FixedPointWeights(value, bits, kind == "learned", granularity, integer)


def _power_of_two(x: Tensor) -> Tensor:
    return torch.exp2(torch.log2(x.clamp(min=math.ldexp(1, -24))).round())
