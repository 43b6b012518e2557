"""Edges between packed points, and sums along them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.models.layers.packing import starts

#: Edges worked on at a time on a CPU: what they hold stays in its cache.
CHUNK = 1024


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

    @cached_property
    def chunks(self) -> list[tuple[slice, slice]]:
        """Points and their edges, about `CHUNK` edges at a time."""
        return list(self._chunks())

    def _chunks(self) -> Iterator[tuple[slice, slice]]:
        points, edges = len(self.degree), len(self.sender)
        step = max(1, CHUNK * points // max(edges, 1))
        bounds = [*self.first[::step].tolist(), edges]
        for number, (begin, end) in enumerate(pairwise(bounds)):
            yield slice(number * step, (number + 1) * step), slice(begin, end)


def bag_sum(values: Tensor, members: Tensor, first: Tensor) -> Tensor:
    """Return the sums of values (rows, channel) over bags of rows: (bags, channel).

    A bag's members are those from its `first` (bags,) in `members` to the next bag's first.
    """
    if not len(members):
        return values.new_zeros(len(first), values.shape[1])
    return functional.embedding_bag(members, values, first, mode="sum")
