"""Operations on packed points: segment reductions, padding and buckets of similar length.

The points of all jets are concatenated, and `lengths` (batch,) holds the number of points of each
jet. Only a bucket is padded, to its longest jet, for operations on all pairs of points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


def starts(lengths: Tensor) -> Tensor:
    """Return the index of the first point of each jet: (batch,) from (batch,)."""
    return lengths.cumsum(0) - lengths


def segment_ids(lengths: Tensor, points: int) -> Tensor:
    """Return the jet index of each point: (points,) from (batch,)."""
    if torch.compiler.is_exporting():  # the shape of repeat_interleave depends on data
        position = torch.arange(points, device=lengths.device)
        return (position[:, None] >= lengths.cumsum(0)).sum(1)
    jets = torch.arange(lengths.shape[0], device=lengths.device)
    return jets.repeat_interleave(lengths, output_size=points)


def segment_sum(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the sum over each jet's points: (batch, ...) from (points, ...); 0 without points."""
    total = values.new_zeros((lengths.shape[0], *values.shape[1:]))
    return total.index_add(0, segment_ids(lengths, values.shape[0]), values)


def segment_mean(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean over each jet's points: (batch, ...) from (points, ...); 0 without points."""
    count = lengths.clamp(min=1).to(values.dtype)
    return segment_sum(values, lengths) / count.view(-1, *[1] * (values.ndim - 1))


def segment_max(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the maximum over each jet's points: (batch, ...) from (points, ...); 0 if empty."""
    jet = segment_ids(lengths, values.shape[0]).view(-1, *[1] * (values.ndim - 1)).expand_as(values)
    largest = values.new_zeros((lengths.shape[0], *values.shape[1:]))
    return largest.scatter_reduce(0, jet, values, "amax", include_self=False)


def point_mask(lengths: Tensor, slots: int) -> Tensor:
    """Return the mask of slots that hold a point: (batch, slots) bool."""
    return torch.arange(slots, device=lengths.device) < lengths[:, None]


def to_packed(padded: Tensor, lengths: Tensor) -> Tensor:
    """Return the points of padded jets: (points, ...) from (batch, slots, ...)."""
    return padded[point_mask(lengths, padded.shape[1])]


def ordered_windows(features: Tensor, lengths: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return windows of equal length of ordered points, and the slot of each point in all of them.

    Points beyond `length` are added to the last; slots without a point are 0.

    features (points, feature), lengths (batch,) → (batch, length, feature) and (points,).
    """
    event = segment_ids(lengths, features.shape[0])
    place = (features.new_ones(features.shape[0]).cumsum(0) - 1).long() - starts(lengths)[event]
    slot = event * length + place.clamp(max=length - 1)
    flat = features.new_zeros(lengths.shape[0] * length, features.shape[1])
    return flat.index_add(0, slot, features).view(-1, length, features.shape[1]), slot


def leading_points(values: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Return the first `count` points of each jet, padded with 0: (batch, count, value).

    values (points, value), packed in the order of the particles; lengths (batch,).
    """
    slot = torch.arange(count, device=lengths.device)
    point = torch.where(slot < lengths[:, None], starts(lengths)[:, None] + slot + 1, 0)
    return torch.cat([values.new_zeros(1, values.shape[1]), values])[point]


@dataclass(frozen=True)
class Bucket:
    """Jets of similar length, padded to the longest.

    rows     (jets,) index of each jet in the batch.
    lengths  (jets,) number of points of each jet.
    points   (jets, slots) index of the packed point; padding repeats the last point of the jet.
    mask     (jets, slots) True for a point, False for padding.
    """

    rows: Tensor
    lengths: Tensor
    points: Tensor
    mask: Tensor


def buckets(
    lengths: Tensor, spread: float = 1.2, shortest: int = 1, multiple: int = 1
) -> Iterator[Bucket]:
    """Yield buckets of the jets that have points, sorted by length.

    The longest jet of a bucket has at most `spread` times the points of its shortest; jets of
    fewer than `shortest` points count as of this length, which limits the number of buckets. The
    slots are a multiple of `multiple`.
    """
    order = lengths.argsort(stable=True)
    sizes = lengths[order].tolist()
    offsets = starts(lengths)
    first = next((i for i, size in enumerate(sizes) if size > 0), len(sizes))
    while first < len(sizes):
        limit = int(max(sizes[first], shortest) * spread)
        last = first
        while last < len(sizes) and sizes[last] <= limit:
            last += 1
        slots = -(-sizes[last - 1] // multiple) * multiple
        yield _bucket(order[first:last], lengths, offsets, slots)
        first = last


def longest(lengths: Tensor) -> int:
    """Return the points of the longest jet; in an exported graph a size that depends on data."""
    if not torch.compiler.is_exporting():
        return int(lengths.max()) if lengths.shape[0] else 0
    found: int = lengths.max().item()  # type: ignore[assignment]  # symbolic
    torch._check(found >= 0)  # type: ignore[no-untyped-call]
    return found


def whole_batch(lengths: Tensor) -> Bucket:
    """Return all jets in their order as one bucket."""
    rows = torch.arange(lengths.shape[0], device=lengths.device)
    return _bucket(rows, lengths, starts(lengths), longest(lengths))


def _bucket(rows: Tensor, lengths: Tensor, offsets: Tensor, slots: int) -> Bucket:
    sizes = lengths[rows]
    slot = torch.arange(slots, device=lengths.device).expand(rows.shape[0], slots)
    index = torch.minimum(slot, (sizes - 1)[:, None])
    return Bucket(rows, sizes, offsets[rows, None] + index, slot < sizes[:, None])
