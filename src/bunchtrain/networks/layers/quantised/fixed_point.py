"""Rounding to fixed-point numbers, with gradients for the values and for their widths.

A fixed-point number has k sign bits (0 or 1), i integer bits without the sign, and f fractional
bits: the multiples of 2⁻ᶠ in [−k·2ⁱ, 2ⁱ − 2⁻ᶠ]. Both i and f may be negative; with k + i + f ≤ 0
there is no bit left and the number is 0.

    RND: ⌊x·2ᶠ + ½⌋·2⁻ᶠ (half up),   TRN: ⌊x·2ᶠ⌋·2⁻ᶠ,
    SAT: clipped to the range,   SAT_SYM: clipped to ±(2ⁱ − 2⁻ᶠ),   WRAP: modulo 2^(k+i).

The gradient passes rounding as if it were not there, and a clipped value has none. With
δ = x − Q(x), the derivative with respect to f is ∂Q/∂f = ln 2 · δ (arXiv:2405.00645).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

Rounding = Literal["RND", "TRN"]
Overflow = Literal["WRAP", "SAT", "SAT_SYM", "NONE"]


def fixed_point(
    x: Tensor,
    k: Tensor,
    i: Tensor,
    f: Tensor,
    rounding: Rounding = "RND",
    overflow: Overflow = "WRAP",
) -> Tensor:
    """Return x as fixed-point numbers, with gradients for x and f.

    Args:
        x: Values of any shape.
        k: Sign bits, 0 or 1, of a shape that broadcasts to that of x, as i and f.
        i: Integer bits without the sign.
        f: Fractional bits, whole numbers.
        rounding: Half up (RND) or down (TRN).
        overflow: What happens beyond the range; NONE where the range is known to hold x.
    """
    if torch.is_grad_enabled():
        taken: Tensor = _FixedPoint.apply(x, k, i, f, rounding, overflow)  # type: ignore[no-untyped-call]
        return taken
    return _value(x, k, i, f, rounding, overflow)[0]


def integer_bits(low: Tensor, high: Tensor, f: Tensor) -> Tensor:
    """Return the least i with which numbers of f fractional bits hold [low, high], low ≤ 0 ≤ high.

    i = ⌈log₂ max(Q(high) + 2⁻ᶠ, −Q(low))⌉, with the values rounded half up.
    """
    scale = torch.exp2(f)
    return bits_of_steps(*(torch.floor(end * scale + 0.5) for end in (low, high))) - f


def bits_of_steps(low: Tensor, high: Tensor) -> Tensor:
    """Return the least i + f that holds [low, high], whole multiples of 2⁻ᶠ, low ≤ 0 ≤ high."""
    return torch.frexp(torch.maximum(high, -1 - low))[1].to(high.dtype)


def integer_bits_of(low: Tensor, high: Tensor, bits: Tensor) -> Tensor:
    """Return the least i with which numbers of i + f = `bits` hold [low, high], low ≤ 0 ≤ high."""
    coarse = _exponent(torch.maximum(high, -low))
    return torch.maximum(coarse, integer_bits(low, high, bits - coarse))


def _exponent(x: Tensor) -> Tensor:
    """Return ⌈log₂ x⌉; 0 for 0."""
    mantissa, exponent = torch.frexp(x)
    return (exponent - (mantissa == 0.5).to(exponent.dtype)).to(x.dtype)


def limits(k: Tensor, i: Tensor, f: Tensor, overflow: Overflow) -> tuple[Tensor, Tensor]:
    """Return the least and the largest number of a format."""
    top = torch.exp2(i) - torch.exp2(-f)
    return (-k * top if overflow == "SAT_SYM" else -k * torch.exp2(i)), top


def _value(
    x: Tensor, k: Tensor, i: Tensor, f: Tensor, rounding: Rounding, overflow: Overflow
) -> tuple[Tensor, Tensor | None]:
    """Return x in fixed point and, where it is clipped, what lies inside of the range."""
    steps = x * torch.exp2(f)
    steps = (steps.add_(0.5) if rounding == "RND" else steps).floor_()
    inside = None
    if overflow != "NONE":
        bits = i + f
        low, high = -k * torch.exp2(bits), torch.exp2(bits) - 1
        if overflow == "WRAP":
            period = torch.exp2(k + bits)
            steps = steps - torch.floor((steps - low) / period) * period
        else:
            free = steps
            steps = torch.minimum(
                torch.maximum(free, -k * high if overflow == "SAT_SYM" else low), high
            )
            inside = steps == free
        steps = steps * (k + bits > 0)
    return steps.mul_(torch.exp2(-f)), inside


class _FixedPoint(torch.autograd.Function):
    """Fixed-point numbers with the gradients of the module's documentation."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        k: Tensor,
        i: Tensor,
        f: Tensor,
        rounding: Rounding,
        overflow: Overflow,
    ) -> Tensor:
        value, inside = _value(x, k, i, f, rounding, overflow)
        learned = ctx.needs_input_grad[3]
        ctx.save_for_backward(x - value if learned else None, inside)
        ctx.width = f.shape
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (error, inside) = gradients[0], ctx.saved_tensors
        if inside is not None:
            gradient = gradient * inside
        width = None
        if error is not None:
            width = (gradient * error).sum_to_size(ctx.width).mul_(math.log(2))
        return gradient, None, None, width, None, None


def straight(value: Tensor, like: Tensor) -> Tensor:
    """Return `value` with the gradient of `like`: the straight-through estimator (arXiv:1308.3432).

    Nothing is added to the value: like − like is 0 exactly.
    """
    return value.detach() + (like - like.detach())
