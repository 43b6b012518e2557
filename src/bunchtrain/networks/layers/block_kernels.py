"""The particle blocks of a transformer on a CPU: all blocks on one group of jets after the other.

The points of a group fit in the cache. With n₁ … n₄ the layer normalisations, of which only n₂ has
a gain and a shift, and M₀ … M₃ dropout masks, a block is

    P = softmax(q kᵀ/√d + U),  o = (M₀ P) v,     (q, k, v) = W n₁(x) + b,
    x' = x + M₁ n₂(W_o o + b_o),  h = W₁ n₃(x') + b₁,  x'' = w x' + M₃ (W₂ n₄(M₂ gelu(h)) + b₂).

The rows of a = M₂ gelu(h), four times as wide as x, are not normalised: with mean μ and 1/σ = r,

    y = W₂ n₄(a) = r (W₂ a − μ W₂ 1),   da = r W₂ᵀ dy − r m₁ + r² (μ − a) m₂,
    m₁ = dy·W₂ 1 / width of a,   m₂ = dy·y / width of a.

Saved for the backward pass are n₁, q, k, v, P, M₀ P, o, W_o o + b_o, x', n₃, h, a, y, M₁ and
M₃. With G = (do vᵀ) ∘ M₀ P the gradient of the softmax is

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
    """Weights of one block; gains and shifts before a linear map, and scales, are part of it."""

    project: Tensor  # W
    project_bias: Tensor
    out: Tensor  # W_o
    out_bias: Tensor
    gain: Tensor  # of n₂
    shift: Tensor
    widen: Tensor  # W₁
    widen_bias: Tensor
    narrow: Tensor  # W₂
    narrow_bias: Tensor
    residual: Tensor  # w


class Rows(NamedTuple):
    """Normalised rows (points, channel), and 1/σ (points, 1) of those before."""

    normed: Tensor
    inverse: Tensor


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
        self.shape, self.count, self.heads = (jets * heads, slots), len(slot), heads


class Saved(NamedTuple):
    """What a block's backward pass on one group needs."""

    first: Rows  # n₁
    seen: Tensor  # o
    table: Tensor  # (3, jets · heads, slots, channel): q, k, v
    weight: Tensor  # P
    dropped: Tensor  # M₀ P
    out: Tensor
    second: tuple[Tensor, Tensor]  # mean and 1/σ of n₂
    between: Tensor  # x'
    third: Rows  # n₃
    wide: Tensor  # h
    active: Tensor  # a
    fourth: tuple[Tensor, Tensor]  # mean and 1/σ of n₄
    narrow: Tensor  # y
    masks: tuple[Tensor | None, Tensor | None]  # M₁, M₃


def _normalise(x: Tensor) -> Rows:
    """Return the rows of x (points, channel) with mean 0 and variance 1."""
    channel = x.shape[1]
    gain, shift = x.new_ones(channel), x.new_zeros(channel)  # without them it is slower
    normed, _, inverse = torch.native_layer_norm(x, (channel,), gain, shift, EPSILON)
    return Rows(normed, inverse)


def block_forward(
    x: Tensor, w: Weights, bias: Tensor, group: Group, masks: Masks
) -> tuple[Tensor, Saved]:
    """Return x'' (points, width) and what the backward pass needs.

    x (points, width), `bias` (jets · heads, slots, slots).
    """
    first = _normalise(x)
    rows = affine(first.normed, w.project, w.project_bias)
    attention = seen, *_ = _attend(rows, bias, group, masks)
    out = affine(seen, w.out, w.out_bias)
    normed, *second = torch.native_layer_norm(out, out.shape[1:], w.gain, w.shift, EPSILON)
    between, drawn_1 = masks.add_dropped(x, normed)
    third = _normalise(between)
    wide = affine(third.normed, w.widen, w.widen_bias)
    active = functional.gelu(wide)
    if masks.active:
        active.mul_(masks.draw(active))
    mean, inverse = _moments_of_rows(active, EPSILON / masks.factor**2)
    narrow = affine(active, w.narrow).mul_(inverse)
    narrow.addr_((mean * inverse)[:, 0], w.narrow.sum(1), alpha=-1)
    result, drawn_3 = masks.add_dropped(between * w.residual, narrow + w.narrow_bias)
    before = first, *attention, out, (second[0], second[1]), between, third
    after = wide, active, (mean, inverse), narrow, (drawn_1, drawn_3)
    return result, Saved(*before, *after)


def _moments_of_rows(rows: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return mean and 1/σ of each row: (points, 1)."""
    mean = rows.mean(1, keepdim=True)
    square = torch.linalg.vector_norm(rows, dim=1, keepdim=True).square_().div_(rows.shape[1])
    return mean, square.addcmul_(mean, mean, value=-1).clamp_(min=0).add_(epsilon).rsqrt_()


def _attend(
    rows: Tensor, bias: Tensor, group: Group, masks: Masks
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return o (points, width), the table of q, k and v, P and M₀ P, from (points, 3 · width)."""
    width = rows.shape[1] // 3
    channel = width // group.heads
    table = rows.view(-1, channel).index_select(0, group.to_table).view(3, *group.shape, channel)
    query, key, value = table
    weight = torch.baddbmm(bias, query, key.mT, alpha=channel**-0.5).softmax(-1)
    dropped = weight * masks.draw(weight) if masks.active else weight
    seen = torch.bmm(dropped, value).view(-1, channel).index_select(0, group.from_heads)
    seen = seen.view(-1, width)
    return (seen.mul_(masks.factor) if masks.active else seen), table, weight, dropped


class _Gradients:
    """Gradients of the weights of a block, summed over the groups."""

    def __init__(self, weights: Weights) -> None:
        self.found = Weights(*(torch.zeros_like(w) for w in weights))
        self.narrow_offset = torch.zeros_like(weights.narrow_bias)

    def total(self) -> Weights:
        """Return the gradients, that of W₂ with the mean of a."""
        return self.found._replace(narrow=self.found.narrow - self.narrow_offset[:, None])

    def linear(self, weight: str, dy: Tensor, x: Tensor) -> None:
        """Add the gradients of a linear map of x (points, in)."""
        add_product(getattr(self.found, weight), dy, x)
        getattr(self.found, weight + "_bias").add_(dy.sum(0))

    def narrow(self, dy: Tensor, w: Weights, saved: Saved) -> Tensor:
        """Add the gradients of W₂ n₄(a); return that of a, the mask M₂ left out."""
        (mean, inverse), channel = saved.fourth, saved.active.shape[1]
        self.found.narrow_bias.add_(dy.sum(0))
        m_2 = (dy * saved.narrow).sum(1, keepdim=True).div_(channel)
        dy = dy * inverse
        add_product(self.found.narrow, dy, saved.active)
        self.narrow_offset.addmv_(dy.t(), mean[:, 0])
        m_1 = (dy @ w.narrow.sum(1))[:, None].div_(channel)
        factor = m_2.mul_(inverse).mul_(inverse)
        offset = torch.addcmul(-m_1, mean, factor)
        return torch.addmm(offset, dy, w.narrow).addcmul_(saved.active, factor, value=-1)

    def second(
        self, dy: Tensor, w: Weights, x: Tensor, statistics: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Add the gradients of n₂ of x (points, channel); return that of x."""
        dx: Tensor
        dx, d_gain, d_shift = torch.ops.aten.native_layer_norm_backward(
            dy, x, x.shape[1:], *statistics, w.gain, w.shift, [True, True, True]
        )
        self.found.gain.add_(d_gain)
        self.found.shift.add_(d_shift)
        return dx


def _normalise_backward(dy: Tensor, rows: Rows) -> Tensor:
    """Return the gradient of x, of which `rows` is the normalisation."""
    mean, one = torch.zeros_like(rows.inverse), torch.ones_like(rows.inverse)
    dx: Tensor = torch.ops.aten.native_layer_norm_backward(
        dy, rows.normed, dy.shape[1:], mean, one, None, None, [True, False, False]
    )[0]
    return dx.mul_(rows.inverse)


def block_backward(
    dy: Tensor, w: Weights, d_bias: Tensor, group: Group, factor: float,
    saved: Saved, into: _Gradients,
) -> Tensor:  # fmt: skip
    """Return dx (points, width); the gradients of U and of the parameters are added in place."""
    drawn_1, drawn_3 = saved.masks
    narrow = dy if drawn_3 is None else torch.mul(dy, drawn_3).mul_(factor)
    wide = into.narrow(narrow, w, saved)
    if drawn_3 is not None:
        wide.mul_(torch.ne(saved.active, 0, out=torch.empty_like(wide)))
    torch.ops.aten.gelu_backward.grad_input(wide, saved.wide, grad_input=wide)
    into.linear("widen", wide, saved.third.normed)
    between = _normalise_backward(affine(wide, w.widen.t()), saved.third)
    between.addcmul_(dy, w.residual)
    into.found.residual.add_(torch.mul(saved.between, dy).sum(0))
    kept = between if drawn_1 is None else torch.mul(between, drawn_1).mul_(factor)
    out = into.second(kept, w, saved.out, saved.second)
    into.linear("out", out, saved.seen)
    seen = affine(out, w.out.t()).mul_(factor)
    rows = _attention_backward(seen, d_bias, group, saved)
    into.linear("project", rows, saved.first.normed)
    return _normalise_backward(affine(rows, w.project.t()), saved.first).add_(between)


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
        masks = Masks(dropout)
        parts, saved, keep = [], [], any(ctx.needs_input_grad)
        for part, group, bias in _parts(points, groups, biases):
            kept = []
            for w in weights:
                part, one = block_forward(part, w, bias, group, masks)
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
        into = [_Gradients(w) for w in weights]
        found, parts = [torch.zeros_like(bias) for bias in biases], []
        each = _parts(gradient, ctx.groups, found)
        for (part, group, bias), saved in zip(each, ctx.saved, strict=True):
            for k in reversed(range(len(weights))):
                part = block_backward(part, weights[k], bias, group, ctx.factor, saved[k], into[k])
            parts.append(part)
        given = [gradient for sums in into for gradient in sums.total()]
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
