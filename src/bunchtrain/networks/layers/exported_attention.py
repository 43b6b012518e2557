"""Attention among the points of each jet in an exported graph, all jets padded to the longest.

With keys and values of padding 0, and any finite bias there, softmax over a row needs no mask:

    softmax over the points of a jet = P v / P r,   P = softmax(q kᵀ/√d + U) over all slots,

r = 1 for a point, 0 for padding. Runtimes are four times slower where U is −∞.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import Bucket, segment_ids, starts


class WholeBatch:
    """All jets of a batch, in their order, with the rows of heads in a padded table.

    to_table    (3, jets · heads · slots) row of (points · 3 · heads), for padding one of zeros
                after them.
    from_table  (points · heads,) row of (jets · heads · slots).
    real        (jets, 1, slots, 1), r.
    bias        (jets, heads, slots, slots) U.
    """

    def __init__(self, bucket: Bucket, points: int, bias: Tensor) -> None:
        (jets, slots), heads, device = bucket.mask.shape, bias.shape[1], bias.device
        head, part = torch.arange(heads, device=device), torch.arange(3, device=device)
        row = bucket.points[:, None] * (3 * heads) + head[:, None]  # (jets, heads, slots)
        row = torch.where(
            bucket.mask[:, None], row + (part * heads).view(3, 1, 1, 1), 3 * heads * points
        )
        self.to_table = row.view(3, jets * heads * slots)
        jet = segment_ids(bucket.lengths, points)
        place = torch.arange(points, device=device) - starts(bucket.lengths)[jet]
        self.from_table = ((jet[:, None] * heads + head) * slots + place[:, None]).view(-1)
        self.real = bucket.mask[:, None, :, None].to(bias.dtype)
        self.bias, self.shape = bias, (jets, heads, slots)

    def attend(self, projected: Tensor) -> Tensor:
        """Return the attention within each jet: (points, channel) from (points, 3 channel)."""
        channel = projected.shape[1] // (3 * self.shape[1])
        rows = projected.view(-1, channel)
        rows = torch.cat([rows, rows.new_zeros(1, channel)])
        query, key, value = (
            rows.index_select(0, row).view(*self.shape, channel) for row in self.to_table
        )
        weight = (query @ key.mT * channel**-0.5 + self.bias).softmax(-1)
        seen = (weight @ value / (weight @ self.real)).view(-1, channel)
        gathered: Tensor = seen.index_select(0, self.from_table)
        return gathered.view(projected.shape[0], -1)
