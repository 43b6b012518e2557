"""The particle blocks of a transformer on a CPU: all blocks on one group of jets after the other.

The points of a group fit in the cache. With n₁ … n₄ the layer normalisations, M₀ … M₃ dropout
masks and the heads' scales c multiplied into W_o, a block is

    P = softmax(q kᵀ/√d + U),  o = (M₀ P) v,     (q, k, v) = W n₁(x) + b,
    x' = x + M₁ n₂(W_o o + b_o),  h = W₁ n₃(x') + b₁,  x'' = x' + M₃ (W₂ n₄(M₂ gelu(h)) + b₂).

Saved for the backward pass are x, q, k, v, P, M₀ P, o, W_o o + b_o, x', h, M₂ gelu(h), M₁ and M₃;
the normalised points are computed again. With G = (do vᵀ) ∘ M₀ P the gradient of the softmax is

    dS = G − P ∘ Σ_j G_ij = dU,   dq = dS k/√d,   dk = dSᵀ q/√d,   dv = (M₀ P)ᵀ do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.networks.layers.cpu_kernels import Masks, add_product, affine

EPSILON = 1e-5  # of layer normalisation


class Weights(NamedTuple):
    """Parameters of one block; `bias`, `gain` and `shift` belong to the name before them."""

    gain_1: Tensor
    shift_1: Tensor
    project: Tensor
    project_bias: Tensor
    head_scale: Tensor
    out: Tensor
    out_bias: Tensor
    gain_2: Tensor
    shift_2: Tensor
    gain_3: Tensor
    shift_3: Tensor
    widen: Tensor
    widen_bias: Tensor
    gain_4: Tensor
    shift_4: Tensor
    narrow: Tensor
    narrow_bias: Tensor


class Group:
    """Jets of similar length: rows of heads of the packed points against those of padded tables.

    to_table    (3 · jets · heads · slots,) row of (points · 3 · heads) in each row of q, k and v.
    from_table  (points · 3 · heads,) the inverse; padding is left out.
    from_heads  (points · heads,) row of (jets · heads · slots) of each head of each point.
    """

    def __init__(self, slot: Tensor, jets: int, heads: int, slots: int) -> None:
        head, jet, place = torch.arange(heads), slot // slots, slot % slots
        rows = (jet[:, None] * heads + head) * slots + place[:, None]  # (points, heads)
        part = torch.arange(3)[:, None] * (jets * heads * slots)
        self.from_heads, self.from_table = rows.view(-1), (rows[:, None] + part).view(-1)
        row = torch.arange(len(slot) * 3 * heads)
        self.to_table = row.new_zeros(3 * jets * heads * slots).index_copy_(0, self.from_table, row)
        self.shape, self.count = (jets * heads, slots), len(slot)


class Saved(NamedTuple):
    """What a block's backward pass on one group needs."""

    x: Tensor
    seen: Tensor  # o
    table: Tensor  # (3, jets · heads, slots, channel): q, k, v
    weight: Tensor  # P
    dropped: Tensor  # M₀ P
    out: Tensor
    between: Tensor  # x'
    wide: Tensor  # h
    active: Tensor  # M₂ gelu(h)
    statistics: tuple[Tensor, ...]  # mean and 1/σ of the four normalisations
    masks: tuple[Tensor | None, Tensor | None]  # M₁, M₃


def _norm(
    x: Tensor, gain: Tensor, shift: Tensor, factor: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the layer normalisation of `factor` · x, mean of x and 1/σ."""
    found: tuple[Tensor, Tensor, Tensor]
    found = torch.native_layer_norm(x, x.shape[-1:], gain, shift, EPSILON / factor**2)
    return found


def block_forward(
    x: Tensor, w: Weights, scaled: Tensor, bias: Tensor, group: Group, masks: Masks
) -> tuple[Tensor, Saved]:
    """Return x'' (points, width) and what the backward pass needs.

    x (points, width), `scaled` W_o times the heads' scales, `bias` (jets · heads, slots, slots).
    """
    normed, *first = _norm(x, w.gain_1, w.shift_1)
    rows = affine(normed, w.project, w.project_bias)
    attention = seen, *_ = _attend(rows, len(w.head_scale), bias, group, masks)
    out = affine(seen, scaled, w.out_bias)
    normed, *second = _norm(out, w.gain_2, w.shift_2)
    between, drawn_1 = masks.add_dropped(x, normed)
    normed, *third = _norm(between, w.gain_3, w.shift_3)
    wide = affine(normed, w.widen, w.widen_bias)
    active = functional.gelu(wide)
    if masks.active:
        active.mul_(masks.draw(active))
    normed, *fourth = _norm(active, w.gain_4, w.shift_4, masks.factor)
    narrow = affine(normed, w.narrow, w.narrow_bias)
    result, drawn_3 = masks.add_dropped(between, narrow)
    statistics = (*first, *second, *third, *fourth)
    masks_of_sums = (drawn_1, drawn_3)
    return result, Saved(x, *attention, out, between, wide, active, statistics, masks_of_sums)


def _attend(
    rows: Tensor, heads: int, bias: Tensor, group: Group, masks: Masks
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return o (points, width), the table of q, k and v, P and M₀ P, from (points, 3 · width)."""
    width = rows.shape[1] // 3
    channel = width // heads
    table = rows.view(-1, channel).index_select(0, group.to_table).view(3, *group.shape, channel)
    query, key, value = table
    weight = torch.baddbmm(bias, query, key.mT, alpha=channel**-0.5).softmax(-1)
    dropped = weight * masks.draw(weight) if masks.active else weight
    seen = torch.bmm(dropped, value).view(-1, channel).index_select(0, group.from_heads)
    seen = seen.view(-1, width)
    return (seen.mul_(masks.factor) if masks.active else seen), table, weight, dropped


class _Gradients:
    """Gradients of the parameters of a block, summed over the groups."""

    def __init__(self, weights: Weights) -> None:
        self.found = Weights(*(torch.zeros_like(w) for w in weights))

    def linear(self, weight: str, dy: Tensor, x: Tensor) -> None:
        """Add the gradients of a linear map of x (points, in)."""
        add_product(getattr(self.found, weight), dy, x)
        getattr(self.found, weight + "_bias").add_(dy.sum(0))

    def norm(
        self, number: int, weights: Weights, dy: Tensor, x: Tensor, statistics: tuple[Tensor, ...]
    ) -> Tensor:
        """Add the gradients of a normalisation of x (points, channel); return that of x."""
        gain, shift = (getattr(weights, f"{name}_{number}") for name in ("gain", "shift"))
        mean, inverse = statistics[2 * number - 2 : 2 * number]
        dx, d_gain, d_shift = torch.ops.aten.native_layer_norm_backward(
            dy, x, x.shape[-1:], mean, inverse, gain, shift, [True, True, True]
        )
        getattr(self.found, f"gain_{number}").add_(d_gain)
        getattr(self.found, f"shift_{number}").add_(d_shift)
        result: Tensor = dx
        return result


def block_backward(
    dy: Tensor, w: Weights, scaled: Tensor, d_bias: Tensor, group: Group, factor: float,
    saved: Saved, into: _Gradients,
) -> Tensor:  # fmt: skip
    """Return dx (points, width); the gradients of U and of the parameters are added in place."""
    statistics, (drawn_1, drawn_3) = saved.statistics, saved.masks
    narrow = dy if drawn_3 is None else torch.mul(dy, drawn_3).mul_(factor)
    into.linear("narrow", narrow, _norm(saved.active, w.gain_4, w.shift_4, factor)[0])
    wide = into.norm(4, w, affine(narrow, w.narrow.t()), saved.active, statistics)
    if drawn_3 is not None:
        wide.mul_(torch.ne(saved.active, 0, out=torch.empty_like(wide)))
    torch.ops.aten.gelu_backward.grad_input(wide, saved.wide, grad_input=wide)
    into.linear("widen", wide, _norm(saved.between, w.gain_3, w.shift_3)[0])
    between = into.norm(3, w, affine(wide, w.widen.t()), saved.between, statistics).add_(dy)
    kept = between if drawn_1 is None else torch.mul(between, drawn_1).mul_(factor)
    out = into.norm(2, w, kept, saved.out, statistics)
    into.linear("out", out, saved.seen)
    seen = affine(out, scaled.t()).mul_(factor)
    rows = _attention_backward(seen, d_bias, group, saved)
    into.linear("project", rows, _norm(saved.x, w.gain_1, w.shift_1)[0])
    return into.norm(1, w, affine(rows, w.project.t()), saved.x, statistics).add_(between)


def _attention_backward(seen: Tensor, d_bias: Tensor, group: Group, saved: Saved) -> Tensor:
    """Return the gradient of q, k and v (points, 3 · width), and add that of U in place."""
    query, key, value = saved.table
    channel, size = value.shape[2], group.shape[0] * group.shape[1]
    table = seen.new_zeros(size, channel)
    table = table.index_copy_(0, group.from_heads, seen.view(-1, channel)).view_as(value)
    score = torch.bmm(table, value.mT).mul_(saved.dropped)
    score.addcmul_(saved.weight, score.sum(-1, keepdim=True), value=-1)
    d_bias.add_(score)
    gradients, scale = torch.empty_like(saved.table), channel**-0.5
    torch.baddbmm(gradients[0], score, key, beta=0, alpha=scale, out=gradients[0])
    torch.baddbmm(gradients[1], score.mT, query, beta=0, alpha=scale, out=gradients[1])
    torch.bmm(saved.dropped.mT, table, out=gradients[2])
    return gradients.view(-1, channel).index_select(0, group.from_table).view(group.count, -1)


def _scaled(w: Weights) -> Tensor:
    """Return W_o with the scale of the head multiplied into each column."""
    return w.out * w.head_scale.repeat_interleave(w.out.shape[1] // len(w.head_scale))


class ParticleBlocks(torch.autograd.Function):
    """All particle blocks on groups of jets."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, groups: Sequence[Group], dropout: float, *tensors: Tensor
    ) -> Tensor:
        """Return points (points, width), sorted by group, after the last block.

        `tensors` are the groups' biases (jets, heads, slots, slots), then the blocks' weights.
        """
        biases, weights = _split(tensors, len(groups))
        masks, scaled = Masks(dropout), [_scaled(w) for w in weights]
        parts, saved, keep = [], [], any(ctx.needs_input_grad)
        for part, group, bias in _parts(points, groups, biases):
            kept = []
            for w, out in zip(weights, scaled, strict=True):
                part, one = block_forward(part, w, out, bias, group, masks)
                if keep:
                    kept.append(one)
            parts.append(part)
            saved.append(kept)
        ctx.groups, ctx.saved, ctx.factor = groups, saved, masks.factor
        ctx.save_for_backward(*tensors)
        return torch.cat(parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of points, biases and weights."""
        biases, weights = _split(ctx.saved_tensors, len(ctx.groups))
        scaled, into = [_scaled(w) for w in weights], [_Gradients(w) for w in weights]
        found, parts = [torch.zeros_like(bias) for bias in biases], []
        each = _parts(gradient, ctx.groups, found)
        for (part, group, bias), saved in zip(each, ctx.saved, strict=True):
            for k in reversed(range(len(weights))):
                part = block_backward(
                    part, weights[k], scaled[k], bias, group, ctx.factor, saved[k], into[k]
                )
            parts.append(part)
        given: list[Tensor] = []
        for w, sums in zip(weights, into, strict=True):
            given += _unscale(sums.found, w)
        return (torch.cat(parts), None, None, *found, *given)


def _split(tensors: Sequence[Tensor], groups: int) -> tuple[Sequence[Tensor], list[Weights]]:
    size, rest = len(Weights._fields), tensors[groups:]
    return tensors[:groups], [Weights(*rest[at : at + size]) for at in range(0, len(rest), size)]


def _parts(
    points: Tensor, groups: Sequence[Group], biases: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Group, Tensor]]:
    """Yield the points of each group, the group and its biases (jets · heads, slots, slots)."""
    parts = torch.split(points, [group.count for group in groups])
    for part, group, bias in zip(parts, groups, biases, strict=True):
        yield part, group, bias.view(group.shape[0], group.shape[1], group.shape[1])


def _unscale(found: Weights, w: Weights) -> Weights:
    """Return the gradients with that of W_o c resolved to W_o and c."""
    heads = len(w.head_scale)
    scale = w.head_scale.repeat_interleave(w.out.shape[1] // heads)
    each = (found.out * w.out).sum(0).view(heads, -1).sum(1, keepdim=True)
    return found._replace(out=found.out * scale, head_scale=each)
