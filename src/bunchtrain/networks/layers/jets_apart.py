"""Attention within each jet: where tokens and particles lie, and who sees whom."""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.networks.layers.attention import Field
from bunchtrain.networks.layers.packing import Bucket, buckets, segment_ids


def with_tokens(lengths: Tensor, points: int, number: int) -> tuple[Tensor, Tensor]:
    """Return the lengths of jets to which tokens are added, and where each row comes from.

    A jet's tokens come before its particles. The second, (batch · number + points,), counts in the
    tokens of all jets, jet after jet, followed by all particles.
    """
    batch = lengths.shape[0]
    token_jet = torch.arange(batch, device=lengths.device)[:, None].expand(batch, number)
    jet = torch.cat([token_jet.reshape(-1), segment_ids(lengths, points)])
    every = torch.arange(jet.shape[0], device=jet.device)
    return lengths + number, (jet * jet.shape[0] + every).argsort()


def jets_apart(
    lengths: Tensor, scalars: Tensor, heads: int, spread: float
) -> tuple[Tensor, list[Field]]:
    """Return the order that points must be put in, (points,), and fields of points in this order.

    In the fields each point sees the points of its jet, all ascalars, and no other. The longest jet
    of a field has at most `spread` times the points of its shortest. `scalars` (points, ...) gives
    number and precision of the points.
    """
    if torch.compiler.is_exporting():
        return _one_field(lengths, scalars, heads)
    found = list(buckets(lengths, spread, shortest=8))
    order = torch.cat([bucket.points[bucket.real] for bucket in found] or [lengths.new_zeros(0)])
    return order, [_field(bucket, scalars, heads) for bucket in found]


def _field(bucket: Bucket, scalars: Tensor, heads: int) -> Field:
    jets, slots = bucket.real.shape
    empty = ~bucket.real[:, None, None, :]
    bias = scalars.new_zeros(jets, 1, 1, slots).masked_fill(empty, -torch.inf)
    return Field(bucket.real.view(-1).nonzero()[:, 0], bias.expand(jets, heads, slots, slots))


def _one_field(lengths: Tensor, scalars: Tensor, heads: int) -> tuple[Tensor, list[Field]]:
    """Return all points as one field: no shape depends on the lengths, as ONNX wants it."""
    order = torch.arange(scalars.shape[0], device=lengths.device)
    jet = segment_ids(lengths, order.shape[0])
    apart = scalars.new_zeros(1).masked_fill(jet[:, None] != jet, -torch.inf)
    return order, [Field(order, apart.expand(1, heads, -1, -1))]
