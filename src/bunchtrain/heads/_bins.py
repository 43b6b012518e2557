"""Bins of a column: given edges, or as many equally populated ones as a batch is cut into."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from bunchtrain.errors import StudyError

#: A number of equally populated bins, or their edges; the first and last bin are open.
Bins = int | list[float]


def check_bins(bins: Bins, objective: str) -> None:
    """Raise StudyError if there are fewer than two bins, or edges that do not rise."""
    edges = bins if isinstance(bins, list) else list(range(bins + 1))
    rising = all(low < high for low, high in pairwise(edges))
    if len(edges) < 3 or not rising:
        raise StudyError(
            f"objective '{objective}': option 'bins' must be a number of at least 2, or three or "
            f"more rising edges, got {bins}"
        )


def count(bins: Bins) -> int:
    """Return the number of bins."""
    return len(bins) - 1 if isinstance(bins, list) else bins


def bin_numbers(value: Tensor, weight: Tensor, bins: Bins) -> Tensor:
    """Return the bin of each event, (events,) from 0, with equal weight a bin if none are given."""
    if isinstance(bins, list):
        return torch.searchsorted(value.new_tensor(bins[1:-1]), value.contiguous(), right=True)
    held, order = value.sort()
    below = weight[order].cumsum(0) / weight.sum()
    cuts = torch.arange(1, bins, device=value.device, dtype=below.dtype) / bins
    inner = held[torch.searchsorted(below, cuts).clamp(max=len(held) - 1)]
    return torch.searchsorted(inner, value.contiguous())


def sums(numbers: Tensor, values: Tensor, bins: int) -> Tensor:
    """Return the sum of the values of each bin's events, (bins,) from (events,)."""
    return values.new_zeros(bins).index_add(0, numbers, values)
