"""The smallest distances of each row; among equal ones those of the lowest index."""

from __future__ import annotations

import torch
from torch import Tensor


def smallest(distances: Tensor, count: int, ordered: bool = False) -> tuple[Tensor, Tensor]:
    """Return the `count` smallest distances of each row and their indices, (..., count) each.

    Which of equal distances `torch.topk` returns depends on the length of the row, so on the
    padding, and on the device; here it is that of the lowest index. An infinite distance marks
    what is not there; the indices of these are arbitrary.

    distances  (..., items), not NaN.
    count      at most the number of items.
    ordered    whether to sort by distance, equal ones by index; else the order is arbitrary.
    """
    values, indices = distances.topk(count, largest=False, sorted=ordered)
    if not count:
        return values, indices
    largest = values[..., -1:] if ordered else values.amax(-1, keepdim=True)
    limit = largest.clamp(max=torch.finfo(distances.dtype).max)
    is_small = distances <= limit
    if ordered:
        tied = (values[..., 1:] == values[..., :-1]).any(-1)
    # One number first: rows are examined only where a distance equals the largest of its row.
    elif torch.count_nonzero(is_small) == torch.count_nonzero(values < torch.inf):
        return values, indices
    else:
        tied = torch.zeros_like(largest[..., 0], dtype=torch.bool)
    tied |= is_small.sum(-1) > (values < torch.inf).sum(-1)
    again, order = distances[tied].sort(stable=True)
    values[tied], indices[tied] = again[:, :count], order[:, :count]
    return values, indices
