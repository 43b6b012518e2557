"""Bins of a column: given edges, or bins of equal weight in a batch."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Finite

#: Count of bins of equal weight, or their edges; the first and last bin are open.
Bins = Annotated[int, Field(ge=2, le=10_000)] | list[Finite]


def check_bins(bins: Bins, loss: str) -> None:
    """Raise StudyError if there are fewer than two bins, or edges that do not increase."""
    edges = bins if isinstance(bins, list) else list(range(bins + 1))
    increasing = all(low < high for low, high in pairwise(edges))
    if len(edges) < 3 or not increasing:
        raise StudyError(
            f"loss '{loss}': option 'bins' must be an integer of at least 2, or three or more "
            f"increasing edges, got {bins}"
        )


def count_bins(bins: Bins) -> int:
    """Return the count of bins."""
    return len(bins) - 1 if isinstance(bins, list) else bins


def bin_index(value: Tensor, weight: Tensor, bins: Bins) -> Tensor:
    """Return the bin index of each event, (events,); without edges, bins have equal weight."""
    if isinstance(bins, list):
        return torch.searchsorted(value.new_tensor(bins[1:-1]), value.contiguous(), right=True)
    ordered, order = value.sort()
    below = weight[order].cumsum(0) / weight.sum()
    cuts = torch.arange(1, bins, device=value.device, dtype=below.dtype) / bins
    inner = ordered[torch.searchsorted(below, cuts).clamp(max=len(ordered) - 1)]
    return torch.searchsorted(inner, value.contiguous())


def sum_per_bin(index: Tensor, values: Tensor, bins: int) -> Tensor:
    """Return the sum of the values of each bin's events, (bins,) from (events,)."""
    return values.new_zeros(bins).index_add(0, index, values)
