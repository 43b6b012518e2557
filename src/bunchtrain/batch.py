"""A batch of events as arrays: inputs of models, targets, weights and spectators of losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

#: A NumPy array; in a batch for a network, see `Batch.tensors`, a tensor instead.
Array: TypeAlias = NDArray[Any]
#: Arrays with one row per point, the points of all events concatenated (packed, never padded).
POINTWISE = frozenset({"features", "coordinates", "momenta", "children", "levels", "words"})
#: Arrays with one row per edge, in the order of `edges`.
EDGEWISE = frozenset({"edge_features"})


@dataclass
class Batch:
    """Events as arrays, each with one row per event, point or edge.

    Representations, tables and models that are fit in one call work on NumPy arrays; networks and
    losses on `tensors`, with the same names and shapes.

    inputs      named arrays that the representation made. `table` (batch, feature), `image`
                (batch, channel, row, column), `globals` (batch, feature); packed point clouds have
                `features` (points, feature), `coordinates` (points, 2), `momenta` (points, 4) as
                (E, px, py, pz) in GeV, `edges` (2, edges) with indices of points in this batch,
                `edge_features` (edges, feature), and `lengths` (batch,), the count of points of
                each event. The points of a tree are its nodes, the root last, with `children`
                (points, 2), counted from the event's first point and −1 for none, and `levels`
                (points,), steps down from the root. The points of a text are its `words` (points,),
                indices in a vocabulary.
    targets     for each head: class indices (rows,) int64, or values (rows, value).
    weight      (batch,), 1 where the study defines none.
    spectators  columns that losses read and models do not: (batch,) each.
    axes        target → `event`, `point` or `edge`, to which its rows belong; `event` if not given.
    """

    inputs: dict[str, Any]
    targets: dict[str, Any] = field(default_factory=dict)
    weight: Any = field(default_factory=lambda: np.ones(0, np.float32))
    spectators: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        key = "lengths" if "lengths" in self.inputs else next(iter(self.inputs))
        return len(self.inputs[key])

    def tensors(self, device: torch.device | str = "cpu") -> Batch:
        """Return the batch as tensors on a device, which share the memory of arrays on the CPU."""
        import torch  # only where a network is trained or evaluated

        return self._map(lambda array: torch.as_tensor(array).to(device))

    def _map(self, function: Callable[[Any], Any]) -> Batch:
        parts = (self.inputs, self.targets, self.spectators)
        inputs, targets, spectators = ({k: function(v) for k, v in p.items()} for p in parts)
        return Batch(inputs, targets, function(self.weight), spectators, self.axes)

    @property
    def weights(self) -> Any:
        """The weights (batch,) of the events, also where none are given."""
        if len(self.weight):
            return self.weight
        return np.ones(len(self), np.float32)

    def event_index(self, axis: str) -> Any:
        """Return the index of the event of each row of an axis, (rows,), in this batch's type."""
        counts, first = self.inputs.get("lengths"), next(iter(self.inputs.values()))
        index: Any
        if isinstance(first, np.ndarray):
            index = np.arange(len(self))
        else:
            import torch

            index = torch.arange(len(self), device=first.device)
        if axis == "event":
            return index
        assert counts is not None  # there are points
        is_array = isinstance(counts, np.ndarray)
        points = np.repeat(index, counts) if is_array else index.repeat_interleave(counts)
        return points if axis == "point" else points[self.inputs["edges"][1]]

    def take(self, rows: Array) -> Batch:
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


def starts(lengths: Any) -> Any:
    """Return the index of each event's first point: (batch,) from (batch,)."""
    return lengths.cumsum(0) - lengths


def point_index(lengths: Array, rows: Array) -> Array:
    """Return the indices of the points of these events, concatenated: (points,)."""
    return item_index(lengths[rows], starts(lengths)[rows])


def item_index(counts: Array, first: Array) -> Array:
    """Return the indices of the items of events, concatenated: (items,).

    counts  items of each event, (events,).
    first   index of the first item of each event, (events,).
    """
    index: Array = np.arange(int(counts.sum())) + np.repeat(first - starts(counts), counts)
    return index


def _take(inputs: Mapping[str, Array], rows: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the inputs of some events, and axis → indices of the rows that are taken."""
    if "lengths" not in inputs:
        return {name: value[rows] for name, value in inputs.items()}, {"event": rows}
    lengths, points = inputs["lengths"], point_index(inputs["lengths"], rows)
    index = {"event": rows, "point": points}
    if "edges" in inputs:
        edges = inputs["edges"]
        event = np.repeat(np.arange(len(lengths)), lengths)[edges[1]]
        counts = np.bincount(event, minlength=len(lengths))
        index["edge"] = np.argsort(event, kind="stable")[point_index(counts, rows)]
    taken = {k: v[index[axis_of(k)]] for k, v in inputs.items() if k != "edges"}
    if "edges" in inputs:
        moved = np.repeat(starts(lengths[rows]) - starts(lengths)[rows], counts[rows])
        taken["edges"] = edges[:, index["edge"]] + moved
    return taken, index


def axis_of(tensor: str) -> str:
    """Return `event`, `point` or `edge`, what a row of an input belongs to."""
    return "point" if tensor in POINTWISE else "edge" if tensor in EDGEWISE else "event"
