"""Edges between packed points, and sums along them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.models.layers.packing import starts

#: Numbers that a piece of a tensor along the edges holds: some pieces fit in a CPU's cache.
CHUNK = 2**18


@dataclass(frozen=True)
class Edges:
    """Directed edges from a sending point j to a receiving point i, ordered by i.

    sender    (edges,) the number of j.
    receiver  (edges,) the number of i.
    degree    (points,) how many edges each point receives.
    real      (edges,) False for an edge that only fills a table (in exported networks), or None.
    """

    sender: Tensor
    receiver: Tensor
    degree: Tensor
    real: Tensor | None = None

    @cached_property
    def first(self) -> Tensor:
        """The number of the first edge of each receiving point: (points,)."""
        return starts(self.degree)

    @cached_property
    def by_sender(self) -> tuple[Tensor, Tensor, Tensor]:
        """The edges ordered by sender (edges,); first edge and number of edges, (points,) each."""
        order = self.sender.argsort(stable=True)
        number = torch.bincount(self.sender, minlength=len(self.degree))
        return order, starts(number), number

    def chunks(self, width: int) -> list[tuple[slice, slice]]:
        """Return points and their edges, as many as stay in the cache with `width` channels."""
        points, edges = len(self.degree), len(self.sender)
        step = max(1, CHUNK // width * points // max(edges, 1))
        bounds = [*self.first[::step].tolist(), edges]
        return [
            (slice(number * step, (number + 1) * step), slice(begin, end))
            for number, (begin, end) in enumerate(pairwise(bounds))
        ]


def bag_sum(values: Tensor, members: Tensor, first: Tensor) -> Tensor:
    """Return the sums of values (rows, channel) over bags of rows: (bags, channel).

    A bag's members are those from its `first` (bags,) in `members` to the next bag's first.
    """
    if not len(members):
        return values.new_zeros(len(first), values.shape[1])
    return functional.embedding_bag(members, values, first, mode="sum")
