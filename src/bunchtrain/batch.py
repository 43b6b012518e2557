"""The batch: one small typed object that models and objectives take what they need of."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

#: Tensors with one row a point, all jets' points one after the other (packed, never padded).
POINTWISE = frozenset({"features", "coordinates", "momenta", "children", "levels"})


@dataclass
class Batch:
    """Events as tensors.

    inputs      named tensors that the representation made. `table` (batch, feature), `image`
                (batch, channel, row, column), `globals` (batch, feature); packed point clouds have
                `features` (points, feature), `coordinates` (points, 2), `momenta` (points, 4) as
                (E, px, py, pz) in GeV, `edges` (2, edges) with numbers of points in this batch,
                and `lengths` (batch,), the number of points of each event. The points of a tree
                are its nodes, the root last, with `children` (points, 2), counted from the event's
                first point and −1 for none, and `levels` (points,), steps down from the root.
    targets     for each head: class numbers (batch,) int64, or values (batch, value).
    weight      (batch,), 1 where the study gives none.
    spectators  columns that objectives look at and no model sees: (batch,) each.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor] = field(default_factory=dict)
    weight: Tensor = field(default_factory=lambda: torch.ones(0))
    spectators: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        key = "lengths" if "lengths" in self.inputs else next(iter(self.inputs))
        return len(self.inputs[key])

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on another device."""
        moved = [{k: v.to(device) for k, v in part.items()} for part in self._parts()]
        return Batch(moved[0], moved[1], self.weight.to(device), moved[2])

    def _parts(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        return self.inputs, self.targets, self.spectators

    def take(self, rows: Tensor) -> Batch:
        """Return the events with these numbers (rows,), in this order; points stay packed."""
        inputs, targets, spectators = self._parts()
        return Batch(
            take_inputs(inputs, rows),
            {k: v[rows] for k, v in targets.items()},
            self.weight[rows] if len(self.weight) else self.weight,
            {k: v[rows] for k, v in spectators.items()},
        )


def starts(lengths: Tensor) -> Tensor:
    """Return where each event's points begin: (batch,) from (batch,)."""
    return lengths.cumsum(0) - lengths


def point_numbers(lengths: Tensor, rows: Tensor) -> Tensor:
    """Return the numbers of the points of these events, event after event: (points,)."""
    taken = lengths[rows]
    shift = starts(lengths)[rows] - starts(taken)
    return torch.arange(int(taken.sum()), device=rows.device) + shift.repeat_interleave(taken)


def take_inputs(inputs: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Return the inputs of some events; points and edges are renumbered and stay packed."""
    if "lengths" not in inputs:
        return {name: value[rows] for name, value in inputs.items()}
    points = point_numbers(inputs["lengths"], rows)
    taken = {k: v[points if k in POINTWISE else rows] for k, v in inputs.items() if k != "edges"}
    if "edges" in inputs:
        taken["edges"] = _take_edges(inputs["edges"], points, int(inputs["lengths"].sum()))
    return taken


def _take_edges(edges: Tensor, points: Tensor, total: int) -> Tensor:
    number = edges.new_full((total,), -1)
    number[points] = torch.arange(len(points), device=edges.device)
    renumbered = number[edges]
    return renumbered[:, (renumbered >= 0).all(0)]
