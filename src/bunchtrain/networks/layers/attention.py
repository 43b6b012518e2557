"""Attention among the particles of a jet, and of a class token to them (arXiv:2202.03772)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.block_kernels import Group, ParticleBlocks, Weights
from bunchtrain.networks.layers.cpu_kernels import runs_in_chunks
from bunchtrain.networks.layers.exported_attention import WholeBatch
from bunchtrain.networks.layers.packing import (
    Bucket,
    buckets,
    longest,
    point_mask,
    segment_ids,
    starts,
    whole_batch,
)

#: Slots of a padded block are a multiple of this: rows of scores fill the vector registers.
ALIGNED = 8


class Scatter(torch.autograd.Function):
    """Write rows to distinct slots of a table of zeros; the gradient gathers from the slots."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, slot: Tensor, slots: int) -> Tensor:
        """Return (slots, channel) from (rows, channel)."""
        ctx.save_for_backward(slot)
        return rows.new_zeros(slots, rows.shape[1]).index_copy_(0, slot, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the rows."""
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


class Gather(torch.autograd.Function):
    """Read rows from distinct slots of a table; the inverse of `Scatter`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, slot: Tensor) -> Tensor:
        """Return (rows, channel) from (slots, channel)."""
        ctx.save_for_backward(slot)
        ctx.slots = table.shape[0]
        return table.index_select(0, slot)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the table."""
        table = gradient.new_zeros(ctx.slots, gradient.shape[1])
        return table.index_copy_(0, ctx.saved_tensors[0], gradient), None


class PaddedBlock:
    """Jets of similar length padded to one table, with an additive attention bias for every pair.

    slot  (points,) position of each point in the flat (jets, slots) table.
    bias  (jets, heads, slots, slots), −∞ where the second is padding.
    """

    def __init__(self, slot: Tensor, bias: Tensor) -> None:
        self.slot, self.bias = slot, bias

    def attend(self, projected: Tensor, dropout: float) -> Tensor:
        """Return softmax(q kᵀ/√d + bias) v: (points, channel) from q, k, v (points, 3 channel)."""
        jets, heads, slots, _ = self.bias.shape
        table: Tensor = Scatter.apply(projected, self.slot, jets * slots)  # type: ignore[no-untyped-call]
        query, key, value = table.view(jets, slots, 3, heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, self.bias, dropout)
        attended = torch.cat(attended.unbind(1), 2).view(jets * slots, -1)  # heads concatenated
        gathered: Tensor = Gather.apply(attended, self.slot)  # type: ignore[no-untyped-call]
        return gathered


#: Blocks of a batch one after the other, or all of it in an exported graph.
PaddedBlocks = list[PaddedBlock] | WholeBatch


def attend_in_blocks(projected: Tensor, blocks: PaddedBlocks, dropout: float) -> Tensor:
    """Return the attention within each block: (points, channel) from (points, 3 channel)."""
    if isinstance(blocks, WholeBatch):
        return blocks.attend(projected)
    parts = torch.split(projected, [block.slot.shape[0] for block in blocks])
    return torch.cat(
        [block.attend(part, dropout) for block, part in zip(blocks, parts, strict=True)]
    )


def block_diagonal_mask(
    lengths: Tensor, scalars: Tensor, heads: int, spread: float
) -> tuple[Tensor, PaddedBlocks]:
    """Return the order to sort the points in, (points,), and blocks of the points in this order.

    The bias of the blocks is 0 among the points of a jet and −∞ else. The longest jet of a block
    has at most `spread` times the points of its shortest. `scalars` (points, ...) has one row for
    each point and the precision of the bias.
    """
    if torch.compiler.is_exporting():
        order = torch.arange(scalars.shape[0], device=lengths.device)
        bucket = whole_batch(lengths)
        return order, WholeBatch(bucket, order.shape[0], _no_bias(bucket, scalars, heads))
    found = list(buckets(lengths, spread, shortest=8, multiple=ALIGNED))
    order = torch.cat([bucket.points[bucket.mask] for bucket in found] or [lengths.new_zeros(0)])
    return order, [_unbiased_block(bucket, scalars, heads) for bucket in found]


def _unbiased_block(bucket: Bucket, scalars: Tensor, heads: int) -> PaddedBlock:
    return PaddedBlock(bucket.mask.view(-1).nonzero()[:, 0], _no_bias(bucket, scalars, heads))


def _no_bias(bucket: Bucket, scalars: Tensor, heads: int) -> Tensor:
    jets, slots = bucket.mask.shape
    padding = ~bucket.mask[:, None, None, :]
    bias = scalars.new_zeros(jets, 1, 1, slots).masked_fill(padding, -torch.inf)
    return bias.expand(jets, heads, slots, slots)


def prepend_tokens(lengths: Tensor, points: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the lengths of jets with `count` tokens each, and the source index of each row.

    A jet's tokens precede its particles. The source index (batch · count + points,) refers to the
    concatenation of the tokens of all jets, jet by jet, and all particles.
    """
    batch = lengths.shape[0]
    token_jet = torch.arange(batch, device=lengths.device)[:, None].expand(batch, count)
    jet = torch.cat([token_jet.reshape(-1), segment_ids(lengths, points)])
    index = torch.arange(jet.shape[0], device=jet.device)
    return lengths + count, (jet * jet.shape[0] + index).argsort()


def split_heads(points: Tensor, heads: int) -> Tensor:
    """Return the channels of each head: (points, heads, channel)."""
    return points.view(points.shape[0], heads, points.shape[1] // heads)


def mix_heads(points: Tensor, out: nn.Linear, scale: Tensor, after: bool) -> Tensor:
    """Return W_o (c ∘ x) + b_o, or c ∘ (W_o x + b_o) if `after`, with one factor c a head.

    points (points, width), scale c (heads, 1).
    """
    heads = scale.shape[0]
    if after:
        return (split_heads(out(points), heads) * scale).flatten(1)
    mixed: Tensor = out((split_heads(points, heads) * scale).flatten(1))
    return mixed


class FeedForward(nn.Sequential):
    """Layer normalisation, linear to 4 × width, GELU, layer normalisation, linear to width."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.LayerNorm(4 * width),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )


def residual_scale(width: int, scaled: bool) -> nn.Parameter | None:
    """Return trained factors, 1 at first, of what a feed-forward network is added to, or None."""
    return nn.Parameter(torch.ones(width)) if scaled else None


def _scaled(points: Tensor, factors: nn.Parameter | None) -> Tensor:
    return points if factors is None else points * factors


class ParticleBlock(nn.Module):
    """Self-attention with a bias for every pair, then a feed-forward network, both residual.

    With `as_weaver` the heads' factors multiply the channels after the heads are mixed, and further
    factors what the feed-forward network is added to.
    """

    def __init__(self, width: int, heads: int, dropout: float, as_weaver: bool = False) -> None:
        super().__init__()
        self.heads, self.dropout, self.as_weaver = heads, dropout, as_weaver
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head_scale = nn.Parameter(torch.ones(heads, 1))
        self.forward_part = FeedForward(width, dropout)
        self.residual = residual_scale(width, as_weaver)

    def forward(self, points: Tensor, blocks: PaddedBlocks) -> Tensor:
        """Return (points, width); the points are sorted by block."""
        dropout = self.dropout if self.training else 0.0
        attended = attend_in_blocks(self.project(self.before(points)), blocks, dropout)
        out = self.after(mix_heads(attended, self.out, self.head_scale, self.as_weaver))
        points = points + functional.dropout(out, self.dropout, self.training)
        updated: Tensor = _scaled(points, self.residual) + self.forward_part(points)
        return updated

    def weights(self) -> Weights:
        """Return the weights of `block_kernels`."""
        linear = [m for m in self.forward_part if isinstance(m, nn.Linear)]
        norms = [m for m in self.forward_part if isinstance(m, nn.LayerNorm)]
        maps = zip((self.before, *norms), (self.project, *linear), strict=True)
        first, third, fourth = (
            (m.weight * n.weight, torch.addmv(m.bias, m.weight, n.bias)) for n, m in maps
        )
        out, bias, width = self.out.weight, self.out.bias, len(self.out.bias)
        scale = self.head_scale.expand(-1, width // self.heads).flatten()
        mixed = (out * scale[:, None], bias * scale) if self.as_weaver else (out * scale, bias)
        residual = torch.ones_like(bias) if self.residual is None else self.residual
        second = self.after.weight, self.after.bias
        return Weights(*first, *mixed, *second, *third, *fourth, residual)


def run_blocks(modules: nn.ModuleList, points: Tensor, blocks: PaddedBlocks) -> Tensor:
    """Return points (points, width), sorted by block, after all particle blocks.

    On a CPU all modules run on one padded block after the other (`block_kernels`).
    """
    if isinstance(blocks, WholeBatch) or not runs_in_chunks(modules, points):
        for module in modules if points.shape[0] else ():
            points = module(points, blocks)
        return points
    groups = [Group(b.slot, *b.bias.shape[:3]) for b in blocks]
    weights = [w for one in modules if isinstance(one, ParticleBlock) for w in one.weights()]
    biases, dropout = [b.bias for b in blocks], 0.0
    if modules.training:
        dropout = next(one.dropout for one in modules if isinstance(one, ParticleBlock))
    result: Tensor = ParticleBlocks.apply(points, groups, dropout, *biases, *weights)  # type: ignore[no-untyped-call]
    return result


class ClassBlock(nn.Module):
    """Attention of each jet's class token to itself and the jet's particles, then feed-forward.

    With `as_weaver` the query is the token before its normalisation, and factors multiply as in
    `ParticleBlock`.
    """

    def __init__(self, width: int, heads: int, as_weaver: bool = False) -> None:
        super().__init__()
        self.heads, self.as_weaver = heads, as_weaver
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.head_scale = nn.Parameter(torch.ones(heads, 1))
        self.forward_part = FeedForward(width, 0.0)
        self.residual = residual_scale(width, as_weaver)

    def forward(self, token: Tensor, points: Tensor, lengths: Tensor) -> Tensor:
        """Return the updated tokens (batch, width) from tokens and points (points, width).

        With a single query q in a jet, its products with the keys W_k y + b are those of W_kᵀ q
        with y, up to a constant, and the sum of the values is W_v of the sum of y.
        """
        width, normed = token.shape[1], self.before(token)
        key, value = self.key_value.weight.view(2, self.heads, -1, width)  # (head, channel, width)
        query = self.query(token if self.as_weaver else normed)
        query = split_heads(query, self.heads) / key.shape[1] ** 0.5
        query = torch.einsum("bhc,hcw->bhw", query, key)
        table, mask = _rows_of_jets(self.before(points), lengths)  # (batch, slots, width)
        score = (query @ table.mT).masked_fill(~mask[:, None], -torch.inf)
        weight = torch.cat([(query @ normed[..., None]), score], 2).softmax(2)
        seen = weight[..., 1:] @ table + weight[..., :1] * normed[:, None]
        bias = self.key_value.bias[width:].view(self.heads, -1)
        attended = torch.einsum("bhw,hcw->bhc", seen, value) + bias
        mixed = mix_heads(attended.flatten(1), self.out, self.head_scale, self.as_weaver)
        token = token + self.after(mixed)
        updated: Tensor = _scaled(token, self.residual) + self.forward_part(token)
        return updated


def _rows_of_jets(points: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return points (points, width) as a padded table (batch, slots, width), and its mask."""
    count, batch = points.shape[0], lengths.shape[0]
    jet, slots = segment_ids(lengths, count), longest(lengths)
    place = torch.arange(count, device=jet.device) - starts(lengths)[jet]
    table: Tensor = Scatter.apply(points, jet * slots + place, batch * slots)  # type: ignore[no-untyped-call]
    return table.view(batch, slots, points.shape[1]), point_mask(lengths, slots)
