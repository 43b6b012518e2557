"""Pairs of particles of the same jet, packed: one row for each pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.packing import Bucket, segment_ids, starts


@dataclass(frozen=True)
class OrderedPairs:
    """The ordered pairs (i, j) of each jet, sorted by i.

    receiver  (pairs,) index of point i.
    sender    (pairs,) index of point j.
    mirror    (pairs,) index of the pair (j, i).
    count     (points,) number of pairs with the point as receiver.
    mask      (pairs,) False for padding (in exported networks), or None without padding.
    """

    receiver: Tensor
    sender: Tensor
    mirror: Tensor
    count: Tensor
    mask: Tensor | None = None

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over j of values (pairs, channel): (points, channel)."""
        if self.mask is not None:
            values = torch.where(self.mask[:, None], values, 0.0)
        total = values.new_zeros(self.count.shape[0], values.shape[1])
        return total.index_add(0, self.receiver, values)


def ordered_pairs(lengths: Tensor, points: int, include_self: bool) -> OrderedPairs:
    """Return all ordered pairs of points of the same jet, with (i, i) if `include_self`.

    lengths (batch,) is the number of points of each jet, `points` their sum.
    """
    jet, index = segment_ids(lengths, points), torch.arange(points, device=lengths.device)
    partners = lengths - int(not include_self)
    if torch.compiler.is_exporting():  # all pairs of the batch: no shape depends on the lengths
        grid = torch.meshgrid(index, index, indexing="ij")
        receiver, sender = (axis.reshape(-1) for axis in grid)
        mask = (jet[receiver] == jet[sender]) & (include_self | (receiver != sender))
        return OrderedPairs(receiver, sender, sender * points + receiver, partners[jet], mask)
    count = partners[jet]
    position = index - starts(lengths)[jet]  # of i in its jet
    receiver = index.repeat_interleave(count)
    slot = torch.arange(len(receiver), device=lengths.device) - starts(count)[receiver]
    own = position[receiver]
    sender = slot if include_self else slot + (slot >= own).long()  # position of j in its jet
    mirror = own if include_self else own - (sender < own).long()
    sender = sender + starts(lengths)[jet[receiver]]
    return OrderedPairs(receiver, sender, starts(count)[sender] + mirror, count)


def linear_on_pairs(
    layer: nn.Linear, points: Tensor, pairs: OrderedPairs, features: Tensor | None = None
) -> Tensor:
    """Return W [x_i, x_j, s_ij] + b of every pair: (pairs, width).

    The products with x_i and x_j are computed once for each point and not for each pair.
    points (points, channel), features s (pairs, feature) or None.
    """
    size = points.shape[1]
    received = functional.linear(points, layer.weight[:, :size], layer.bias)
    sent = functional.linear(points, layer.weight[:, size : 2 * size])
    total = received[pairs.receiver] + sent[pairs.sender]
    if features is None:
        return total
    return total + functional.linear(features, layer.weight[:, 2 * size :])


@dataclass(frozen=True)
class UnorderedPairs:
    """The unordered pairs (i ≥ j) of the jets of a bucket, a particle with itself included.

    first, second  (pairs,) index of the packed points.
    slot, mirror   (pairs,) position of (i, j) and of (j, i) in a flat (jets, slots, slots) table.
    """

    first: Tensor
    second: Tensor
    slot: Tensor
    mirror: Tensor


def unordered_pairs(bucket: Bucket) -> UnorderedPairs:
    """Return the unordered pairs of points of every jet of a bucket."""
    slots = bucket.mask.shape[1]
    index = torch.arange(slots, device=bucket.mask.device)
    lower = bucket.mask[:, :, None] & (index[:, None] >= index)
    jet, i, j = lower.nonzero(as_tuple=True)
    begin = jet * slots * slots
    slot, mirror = begin + i * slots + j, begin + j * slots + i
    return UnorderedPairs(bucket.points[jet, i], bucket.points[jet, j], slot, mirror)
