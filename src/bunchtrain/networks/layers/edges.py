"""Edges between packed points, and sums along them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.networks.layers.packing import starts

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
    def numbers(self) -> Tensor:
        """The numbers of the edges: (edges,)."""
        return torch.arange(len(self.sender), device=self.sender.device)

    @cached_property
    def by_sender(self) -> Tensor:
        """The numbers of the edges, ordered by the sending point: (edges,)."""
        return self.sender.argsort(stable=True)

    @cached_property
    def sends(self) -> Tensor:
        """How many edges each point sends: (points,)."""
        return torch.bincount(self.sender, minlength=len(self.degree))

    @cached_property
    def first_sent(self) -> Tensor:
        """The number, in `by_sender`, of the first edge of each sending point: (points,)."""
        return starts(self.sends)

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Both points of every edge in a table of senders, then receivers; where each begins."""
        both = torch.stack([self.sender, self.receiver + len(self.degree)], 1).view(-1)
        return both, torch.arange(0, len(both), 2, device=both.device)

    def along(self, table: Tensor, part: slice) -> Tensor:
        """Return P_j + Q_i for some edges, (edges, channel), from [P; Q] (2 points, channel)."""
        both, begin = self.ends
        return bag_sum(table, both[2 * part.start : 2 * part.stop], begin[: part.stop - part.start])

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
