"""A batch of events as tensors: inputs of models, targets, weights and spectators of losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

#: Tensors with one row per point, the points of all events concatenated (packed, never padded).
POINTWISE = frozenset({"features", "coordinates", "momenta", "children", "levels"})
#: Tensors with one row per edge, in the order of `edges`.
EDGEWISE = frozenset({"edge_features"})


@dataclass
class Batch:
    """Events as tensors, each with one row per event, point or edge.

    inputs      named tensors that the representation made. `table` (batch, feature), `image`
                (batch, channel, row, column), `globals` (batch, feature); packed point clouds have
                `features` (points, feature), `coordinates` (points, 2), `momenta` (points, 4) as
                (E, px, py, pz) in GeV, `edges` (2, edges) with indices of points in this batch,
                `edge_features` (edges, feature), and `lengths` (batch,), the count of points of
                each event. The points of a tree are its nodes, the root last, with `children`
                (points, 2), counted from the event's first point and −1 for none, and `levels`
                (points,), steps down from the root.
    targets     for each head: class indices (rows,) int64, or values (rows, value).
    weight      (batch,), 1 where the study defines none.
    spectators  columns that losses read and models do not: (batch,) each.
    axes        target → `event`, `point` or `edge`, to which its rows belong; `event` if not given.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor] = field(default_factory=dict)
    weight: Tensor = field(default_factory=lambda: torch.ones(0))
    spectators: dict[str, Tensor] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        key = "lengths" if "lengths" in self.inputs else next(iter(self.inputs))
        return len(self.inputs[key])

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on another device."""
        moved = [{k: v.to(device) for k, v in part.items()} for part in self._parts()]
        return Batch(moved[0], moved[1], self.weight.to(device), moved[2], self.axes)

    def _parts(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        return self.inputs, self.targets, self.spectators

    def event_index(self, axis: str) -> Tensor:
        """Return the index of the event of each row of an axis, (rows,)."""
        index = torch.arange(len(self), device=next(iter(self.inputs.values())).device)
        if axis == "event":
            return index
        points = index.repeat_interleave(self.inputs["lengths"])
        return points if axis == "point" else points[self.inputs["edges"][1]]

    def take(self, rows: Tensor) -> Batch:
        """Return the events with these indices (rows,), in this order; points stay packed.

        Edges are sorted by event, those of an event in their order.
        """
        inputs, index = _take(self.inputs, rows)
        return replace(
            self,
            inputs=inputs,
            targets={k: v[index[self.axes.get(k, "event")]] for k, v in self.targets.items()},
            weight=self.weight[rows] if len(self.weight) else self.weight,
            spectators={k: v[rows] for k, v in self.spectators.items()},
        )


def starts(lengths: Tensor) -> Tensor:
    """Return the index of each event's first point: (batch,) from (batch,)."""
    return lengths.cumsum(0) - lengths


def point_index(lengths: Tensor, rows: Tensor) -> Tensor:
    """Return the indices of the points of these events, concatenated: (points,)."""
    taken = lengths[rows]
    shift = starts(lengths)[rows] - starts(taken)
    return torch.arange(int(taken.sum()), device=rows.device) + shift.repeat_interleave(taken)


def take_inputs(inputs: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Return the inputs of some events; points stay packed and edges refer to their new indices."""
    return _take(inputs, rows)[0]


def _take(
    inputs: Mapping[str, Tensor], rows: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the inputs of some events, and axis → indices of the rows that are taken."""
    if "lengths" not in inputs:
        return {name: value[rows] for name, value in inputs.items()}, {"event": rows}
    lengths, points = inputs["lengths"], point_index(inputs["lengths"], rows)
    index = {"event": rows, "point": points}
    if "edges" in inputs:
        edges = inputs["edges"]
        event = torch.arange(len(lengths), device=edges.device).repeat_interleave(lengths)[edges[1]]
        counts = torch.bincount(event, minlength=len(lengths))
        index["edge"] = event.argsort(stable=True)[point_index(counts, rows)]
    taken = {k: v[index[axis_of(k)]] for k, v in inputs.items() if k != "edges"}
    if "edges" in inputs:
        moved = (starts(lengths[rows]) - starts(lengths)[rows]).repeat_interleave(counts[rows])
        taken["edges"] = edges[:, index["edge"]] + moved
    return taken, index


def axis_of(tensor: str) -> str:
    """Return `event`, `point` or `edge`, what a row of an input tensor belongs to."""
    return "point" if tensor in POINTWISE else "edge" if tensor in EDGEWISE else "event"
