"""Attention among the particles of a jet, and of a class token to them (arXiv:2202.03772)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.packing import segment_ids, segment_max, segment_sum


class Spread(torch.autograd.Function):
    """Rows written to their slots of a table of zeros; the gradient is taken from the slots."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, slot: Tensor, slots: int) -> Tensor:
        """Return (slots, channel) from (rows, channel)."""
        ctx.save_for_backward(slot)
        return rows.new_zeros(slots, rows.shape[1]).index_copy_(0, slot, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the rows."""
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


class Collect(torch.autograd.Function):
    """Rows taken from their slots, each slot at most once; the reverse of `Spread`."""

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


class Field:
    """Jets of similar length, the shape of their table of slots and the bias of every pair.

    slot  (points,) where each point lies in the flat (jets, slots) table.
    bias  (jets, heads, slots, slots), −∞ where the second is no particle.
    """

    def __init__(self, slot: Tensor, bias: Tensor) -> None:
        self.slot, self.bias = slot, bias

    def attend(self, projected: Tensor, dropout: float) -> Tensor:
        """Return softmax(q kᵀ/√d + bias) v: (points, channel) from q, k, v (points, 3 channel)."""
        jets, heads, slots, _ = self.bias.shape
        table: Tensor = Spread.apply(projected, self.slot, jets * slots)  # type: ignore[no-untyped-call]
        query, key, value = table.view(jets, slots, 3, heads, -1).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, self.bias, dropout)
        seen = torch.cat(seen.unbind(1), 2).view(jets * slots, -1)  # heads side by side
        collected: Tensor = Collect.apply(seen, self.slot)  # type: ignore[no-untyped-call]
        return collected


def heads_of(points: Tensor, heads: int) -> Tensor:
    """Return the channels of each head apart: (points, heads, channel)."""
    return points.view(points.shape[0], heads, points.shape[1] // heads)


class FeedForward(nn.Sequential):
    """Normalised, widened four times, normalised again, narrowed."""

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


class ParticleBlock(nn.Module):
    """Self-attention with a bias for every pair, then a feed-forward network, both residual."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head_scale = nn.Parameter(torch.ones(heads, 1))
        self.forward_part = FeedForward(width, dropout)

    def forward(self, points: Tensor, fields: list[Field]) -> Tensor:
        """Return (points, width); points lie in the order of the fields."""
        dropout = self.dropout if self.training else 0.0
        projected = self.project(self.before(points)).split([f.slot.shape[0] for f in fields])
        seen = [field.attend(part, dropout) for field, part in zip(fields, projected, strict=True)]
        scaled = heads_of(torch.cat(seen), self.heads) * self.head_scale
        out = self.after(self.out(scaled.flatten(1)))
        points = points + functional.dropout(out, self.dropout, self.training)
        changed: Tensor = points + self.forward_part(points)
        return changed


class ClassBlock(nn.Module):
    """Attention of each jet's class token to itself and the jet's particles, then feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.head_scale = nn.Parameter(torch.ones(heads, 1))
        self.forward_part = FeedForward(width, 0.0)

    def forward(self, token: Tensor, points: Tensor, lengths: Tensor) -> Tensor:
        """Return the tokens (batch, width), having looked at their jets' points (points, width)."""
        jet, normed = segment_ids(lengths, points.shape[0]), self.before(token)
        own_key, own = self._key_value(normed)
        key, value = self._key_value(self.before(points))
        query = heads_of(self.query(normed), self.heads) / own.shape[2] ** 0.5
        score, own_score = (query[jet] * key).sum(2), (query * own_key).sum(2)  # (…, head)
        highest = torch.maximum(segment_max(score.detach(), lengths), own_score.detach())
        weight, own_weight = (score - highest[jet]).exp(), (own_score - highest).exp()
        seen = segment_sum(weight[..., None] * value, lengths) + own_weight[..., None] * own
        seen = seen / (segment_sum(weight, lengths) + own_weight)[..., None]
        token = token + self.after(self.out((seen * self.head_scale).flatten(1)))
        changed: Tensor = token + self.forward_part(token)
        return changed

    def _key_value(self, points: Tensor) -> tuple[Tensor, Tensor]:
        key, value = self.key_value(points).chunk(2, dim=1)
        return heads_of(key, self.heads), heads_of(value, self.heads)
