"""The number of fractional bits: given, or learned by gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

#: Fractional bits per unit of the trained number, so that the learning rate of the weights moves
#: widths by bits within some hundred steps.
PACE = 4.0


class Fraction(nn.Module):
    """Fractional bits f of each element, trained as f / PACE where they are learned.

    Args:
        start: real numbers of bits, of any shape.
        learned: whether f is trained; otherwise it is what `set` says.
    """

    def __init__(self, start: Tensor, learned: bool) -> None:
        super().__init__()
        self.learned = learned
        if learned:
            self.share: Tensor = nn.Parameter(start / PACE)
        else:
            self.register_buffer("share", start / PACE)

    def forward(self) -> Tensor:
        """Return whole numbers f, without gradient."""
        share = self.share.detach()
        return bits_of_share(share) if self.learned else PACE * share

    def round(self, x: Tensor) -> Tensor:
        """Return x rounded half up to multiples of 2⁻ᶠ, with gradients for x and f."""
        taken: Tensor = _Rounded.apply(x, self.share, self.learned)  # type: ignore[no-untyped-call]
        return taken

    def set(self, f: Tensor) -> None:
        """Set f to these numbers."""
        with torch.no_grad():
            self.share.copy_((f / PACE).expand_as(self.share))


def bits_of_share(share: Tensor) -> Tensor:
    """Return the whole numbers f of the trained numbers."""
    return (PACE * share).round_()


def count(bits: Tensor, share: Tensor) -> Tensor:
    """Return max(bits, 0) of numbers of bits, which grow with f = PACE · share."""
    taken: Tensor = _Count.apply(bits, share)  # type: ignore[no-untyped-call]
    return taken


class _Rounded(torch.autograd.Function):
    """Q(x) = ⌊x·2ᶠ + ½⌋·2⁻ᶠ with ∂Q/∂x = 1 and ∂Q/∂f = ln 2 · (x − Q) (arXiv:2405.00645).

    The same as `fixed_point` in fewer steps, where the range is known to hold x.
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


def round_together(values: Sequence[Tensor], shares: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return values rounded half up to multiples of 2⁻ᶠ, each with a learned f of its own.

    The numbers are those of `Fraction.round`; all tensors go through each step at once.
    """
    taken: tuple[Tensor, ...] = _RoundedTogether.apply(*values, *shares)  # type: ignore[no-untyped-call]
    return taken


class _RoundedTogether(torch.autograd.Function):
    """`_Rounded` of several tensors, with as many fractional bits as values."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        half = len(tensors) // 2
        ctx.shapes = [tensor.shape for tensor in tensors[:half]]
        x, share = (torch.cat([one.flatten() for one in part]) for part in _halves(tensors))
        f = bits_of_share(share)
        value = (x * torch.exp2(f)).add_(0.5).floor_().mul_(torch.exp2(-f))
        ctx.save_for_backward((x - value).mul_(PACE * math.log(2)))
        return _parts(value, ctx.shapes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (error,) = ctx.saved_tensors
        change = torch.cat([gradient.flatten() for gradient in gradients]).mul_(error)
        return (*gradients, *_parts(change, ctx.shapes))


def _halves(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]


def _parts(flat: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
    parts = torch.split(flat, [shape.numel() for shape in shapes])
    return tuple(part.view(shape) for part, shape in zip(parts, shapes, strict=True))


class _Count(torch.autograd.Function):
    """Bits, whose derivative with respect to f is 1 where there are any."""

    @staticmethod
    def forward(ctx: Any, bits: Tensor, share: Tensor) -> Tensor:
        ctx.save_for_backward(bits > 0)
        return bits.relu()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, PACE * (gradients[0] * ctx.saved_tensors[0])
