"""Rounding to fixed-point numbers, with gradients for the values and for their widths.

A fixed-point number has k sign bits (0 or 1), i integer bits without the sign, and f fractional
bits: the multiples of 2⁻ᶠ in [−k·2ⁱ, 2ⁱ − 2⁻ᶠ]. Both i and f may be negative; with k + i + f ≤ 0
there are no bits and the number is 0.

    RND: ⌊x·2ᶠ + ½⌋·2⁻ᶠ (half up),   TRN: ⌊x·2ᶠ⌋·2⁻ᶠ,
    SAT: clipped to the range,   SAT_SYM: clipped to ±(2ⁱ − 2⁻ᶠ),   WRAP: modulo 2^(k+i).

Rounding has the gradient of the identity (straight-through), and a clipped value has none. With
δ = x − Q(x), the derivative with respect to f is ∂Q/∂f = ln 2 · δ (arXiv:2405.00645).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

Rounding = Literal["RND", "TRN"]
Overflow = Literal["WRAP", "SAT", "SAT_SYM", "NONE"]

#: Fractional bits per unit of the trained parameter, so that with the learning rate of the weights
#: the widths move by bits within some hundred steps.
PACE = 4.0


def fixed_point(
    x: Tensor,
    k: Tensor,
    i: Tensor,
    f: Tensor,
    rounding: Rounding = "RND",
    overflow: Overflow = "WRAP",
) -> Tensor:
    """Return x as fixed-point numbers, with gradients for x and f.

    x         Values of any shape.
    k         Sign bits, 0 or 1, of a shape that broadcasts to that of x, as i and f.
    i         Integer bits without the sign.
    f         Fractional bits, integers.
    rounding  Half up (RND) or down (TRN).
    overflow  Overflow mode beyond the range; NONE if the range holds x.
    """
    if torch.is_grad_enabled():
        result: Tensor = _FixedPoint.apply(x, k, i, f, rounding, overflow)  # type: ignore[no-untyped-call]
        return result
    return _value(x, k, i, f, rounding, overflow)[0]


def integer_bits(low: Tensor, high: Tensor, f: Tensor) -> Tensor:
    """Return the smallest i such that f fractional bits hold [low, high], low ≤ 0 ≤ high.

    i = ⌈log₂ max(Q(high) + 2⁻ᶠ, −Q(low))⌉, with the values rounded half up.
    """
    scale = torch.exp2(f)
    return bits_of_steps(*(torch.floor(end * scale + 0.5) for end in (low, high))) - f


def bits_of_steps(low: Tensor, high: Tensor) -> Tensor:
    """Return the smallest i + f that holds [low, high] in units of 2⁻ᶠ, low ≤ 0 ≤ high."""
    return torch.frexp(torch.maximum(high, -1 - low))[1].to(high.dtype)


def integer_bits_at_width(low: Tensor, high: Tensor, bits: Tensor) -> Tensor:
    """Return the smallest i such that i + f = `bits` hold [low, high], low ≤ 0 ≤ high."""
    coarse = _exponent(torch.maximum(high, -low))
    return torch.maximum(coarse, integer_bits(low, high, bits - coarse))


def _exponent(x: Tensor) -> Tensor:
    """Return ⌈log₂ x⌉; 0 for 0."""
    mantissa, exponent = torch.frexp(x)
    return (exponent - (mantissa == 0.5).to(exponent.dtype)).to(x.dtype)


def limits(k: Tensor, i: Tensor, f: Tensor, overflow: Overflow) -> tuple[Tensor, Tensor]:
    """Return the minimum and the maximum of a format."""
    top = torch.exp2(i) - torch.exp2(-f)
    return (-k * top if overflow == "SAT_SYM" else -k * torch.exp2(i)), top


def _value(
    x: Tensor, k: Tensor, i: Tensor, f: Tensor, rounding: Rounding, overflow: Overflow
) -> tuple[Tensor, Tensor | None]:
    """Return x in fixed point and, if it is clipped, the mask of values inside of the range."""
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
    """Fixed-point numbers with the gradients given in the module's docstring."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, k: Tensor, i: Tensor, f: Tensor, rounding: Rounding, overflow: Overflow
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


def straight_through(value: Tensor, like: Tensor) -> Tensor:
    """Return `value` with the gradient of `like`: the straight-through estimator (arXiv:1308.3432).

    The value is unchanged: like − like is exactly 0.
    """
    return value.detach() + (like - like.detach())


class Fraction(nn.Module):
    """Fractional bits f of each element, trained as f / PACE if they are learned.

    start    initial number of bits, real, of any shape.
    learned  whether f is trained; otherwise it is set by `set`.
    """

    def __init__(self, start: Tensor, learned: bool) -> None:
        super().__init__()
        self.learned = learned
        if learned:
            self.share: Tensor = nn.Parameter(start / PACE)
        else:
            self.register_buffer("share", start / PACE)

    def forward(self) -> Tensor:
        """Return f, integers, without gradient."""
        share = self.share.detach()
        return bits_of_share(share) if self.learned else PACE * share

    def round(self, x: Tensor) -> Tensor:
        """Return x rounded half up to multiples of 2⁻ᶠ, with gradients for x and f."""
        result: Tensor = _Round.apply(x, self.share, self.learned)  # type: ignore[no-untyped-call]
        return result

    def set(self, f: Tensor) -> None:
        """Set f."""
        with torch.no_grad():
            self.share.copy_((f / PACE).expand_as(self.share))


def bits_of_share(share: Tensor) -> Tensor:
    """Return the integers f of the trained parameters."""
    return (PACE * share).round_()


def count_bits(bits: Tensor, share: Tensor) -> Tensor:
    """Return max(bits, 0), with the gradient of bits that grow with f = PACE · share."""
    result: Tensor = _CountBits.apply(bits, share)  # type: ignore[no-untyped-call]
    return result


class _Round(torch.autograd.Function):
    """Q(x) = ⌊x·2ᶠ + ½⌋·2⁻ᶠ with ∂Q/∂x = 1 and ∂Q/∂f = ln 2 · (x − Q) (arXiv:2405.00645).

    Equal to `fixed_point` in fewer operations, if the range holds x.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Tensor, learned: bool) -> Tensor:
        f = bits_of_share(share) if learned else PACE * share
        value = (x * torch.exp2(f)).add_(0.5).floor_().mul_(torch.exp2(-f))
        ctx.shape = share.shape
        ctx.save_for_backward(x - value if ctx.needs_input_grad[1] else None)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (error,) = ctx.saved_tensors
        if error is None:
            return gradients[0], None, None
        change = (gradients[0] * error).sum_to_size(ctx.shape)
        return gradients[0], change.mul_(PACE * math.log(2)), None


def fused_round(values: Sequence[Tensor], shares: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return values rounded half up to multiples of 2⁻ᶠ, with a learned f for each value.

    Equal to `Fraction.round` of each tensor, with the tensors concatenated.
    """
    result: tuple[Tensor, ...] = _FusedRound.apply(*values, *shares)  # type: ignore[no-untyped-call]
    return result


class _FusedRound(torch.autograd.Function):
    """`_Round` of several tensors, with as many fractional bits as values."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        half = len(tensors) // 2
        ctx.shapes = [tensor.shape for tensor in tensors[:half]]
        parts = tensors[:half], tensors[half:]
        x, share = (torch.cat([one.flatten() for one in part]) for part in parts)
        f = bits_of_share(share)
        value = (x * torch.exp2(f)).add_(0.5).floor_().mul_(torch.exp2(-f))
        ctx.save_for_backward((x - value).mul_(PACE * math.log(2)))
        return _split(value, ctx.shapes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (error,) = ctx.saved_tensors
        change = torch.cat([gradient.flatten() for gradient in gradients]).mul_(error)
        return (*gradients, *_split(change, ctx.shapes))


def _split(flat: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
    parts = torch.split(flat, [shape.numel() for shape in shapes])
    return tuple(part.view(shape) for part, shape in zip(parts, shapes, strict=True))


class _CountBits(torch.autograd.Function):
    """max(bits, 0), whose derivative with respect to f is 1 where it is positive."""

    @staticmethod
    def forward(ctx: Any, bits: Tensor, share: Tensor) -> Tensor:
        ctx.save_for_backward(bits > 0)
        return bits.relu()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, PACE * (gradients[0] * ctx.saved_tensors[0])
