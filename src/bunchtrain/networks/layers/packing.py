"""Packed points: the jets' points one after the other, `lengths` saying how many each jet has.

Nothing here has a slot for a point that is not there, except a bucket: jets of similar length that
are padded to the longest among them, for the operations that look at pairs of points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


def starts(lengths: Tensor) -> Tensor:
    """Return where each jet's points begin: (batch,) from (batch,)."""
    return lengths.cumsum(0) - lengths


def segment_ids(lengths: Tensor, points: int) -> Tensor:
    """Return the number of the jet that each point belongs to: (points,) from (batch,)."""
    if torch.compiler.is_exporting():  # repeat_interleave has a shape that no exporter can know
        position = torch.arange(points, device=lengths.device)
        return (position[:, None] >= lengths.cumsum(0)).sum(1)
    jets = torch.arange(lengths.shape[0], device=lengths.device)
    return jets.repeat_interleave(lengths, output_size=points)


def segment_sum(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the sum over each jet's points: (batch, ...) from (points, ...); 0 for no point."""
    total = values.new_zeros((lengths.shape[0], *values.shape[1:]))
    return total.index_add(0, segment_ids(lengths, values.shape[0]), values)


def segment_mean(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean over each jet's points: (batch, ...) from (points, ...); 0 for no point."""
    number = lengths.clamp(min=1).to(values.dtype)
    return segment_sum(values, lengths) / number.view(-1, *[1] * (values.ndim - 1))


def segment_max(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the largest of each jet: (batch, ...) from (points, ...); 0 for no point."""
    jet = segment_ids(lengths, values.shape[0]).view(-1, *[1] * (values.ndim - 1)).expand_as(values)
    largest = values.new_zeros((lengths.shape[0], *values.shape[1:]))
    return largest.scatter_reduce(0, jet, values, "amax", include_self=False)


def segment_softmax(scores: Tensor, lengths: Tensor) -> Tensor:
    """Return the softmax over each jet's points, (points, ...) from (points, ...).

    exp(s_i − max s) / Σ_j exp(s_j − max s), where j runs over the points of the jet of i.
    """
    jet = segment_ids(lengths, scores.shape[0])
    raised = (scores - segment_max(scores.detach(), lengths)[jet]).exp()
    return raised / segment_sum(raised, lengths)[jet]


def is_point(lengths: Tensor, slots: int) -> Tensor:
    """Return which slots of the padded jets hold a point: (batch, slots) bool."""
    return torch.arange(slots, device=lengths.device) < lengths[:, None]


def to_padded(values: Tensor, lengths: Tensor, fill: float = 0.0) -> Tensor:
    """Return packed values padded to the longest jet: (batch, slots, ...) from (points, ...)."""
    real = is_point(lengths, int(lengths.max()) if len(lengths) else 0)
    padded = values.new_full((*real.shape, *values.shape[1:]), fill)
    return padded.masked_scatter(real.view(*real.shape, *[1] * (values.ndim - 1)), values)


def to_packed(padded: Tensor, lengths: Tensor) -> Tensor:
    """Return the points of padded jets: (points, ...) from (batch, slots, ...)."""
    return padded[is_point(lengths, padded.shape[1])]


@dataclass(frozen=True)
class Bucket:
    """Jets of similar length.

    rows     (jets,) the numbers of the jets.
    lengths  (jets,) how many points they have.
    points   (jets, slots) the numbers of their packed points; empty slots repeat a real one.
    real     (jets, slots) which slots hold a point.
    """

    rows: Tensor
    lengths: Tensor
    points: Tensor
    real: Tensor


def buckets(lengths: Tensor, spread: float = 1.2, shortest: int = 1) -> Iterator[Bucket]:
    """Yield the jets that have points in buckets, from the shortest to the longest.

    The longest jet of a bucket has at most `spread` times the slots of its shortest, and jets of
    fewer than `shortest` points count as that long, so that there are few buckets.
    """
    order = lengths.argsort(stable=True)
    sizes = lengths[order].tolist()
    begin = starts(lengths)
    first = next((i for i, size in enumerate(sizes) if size > 0), len(sizes))
    while first < len(sizes):
        limit = int(max(sizes[first], shortest) * spread)
        last = first
        while last < len(sizes) and sizes[last] <= limit:
            last += 1
        yield _bucket(order[first:last], lengths, begin, sizes[last - 1])
        first = last


def _bucket(rows: Tensor, lengths: Tensor, begin: Tensor, slots: int) -> Bucket:
    sizes = lengths[rows]
    slot = torch.arange(slots, device=lengths.device).expand(len(rows), slots)
    held = torch.minimum(slot, (sizes - 1)[:, None])
    return Bucket(rows, sizes, begin[rows, None] + held, slot < sizes[:, None])
