"""Represented events in memory as arrays; any batch is taken in time ∝ its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bunchtrain.batch import EDGEWISE, Array, Batch, axis_of, item_index, starts


class EventStore:
    """Many events as one packed batch, with the offsets of each event's points and edges.

    blocks  of the events, whose arrays are removed one after the other while they are joined.
    """

    def __init__(self, blocks: Sequence[Batch]) -> None:
        blocks = [local_edges(block) for block in blocks]
        self.events = _concatenate(blocks)
        self._starts = {
            counter: starts(self.events.inputs[counter])
            for counter in ("lengths", "edge_counts")
            if counter in self.events.inputs
        }

    def __len__(self) -> int:
        return len(self.events)

    def take(self, rows: Array) -> Batch:
        """Return the events with these indices (rows,), in this order, as a packed batch."""
        events, inputs = self.events, self.events.inputs
        points, edges = self._item_index("lengths", rows), self._item_index("edge_counts", rows)
        index = {
            "event": rows,
            "point": rows if points is None else points,
            "edge": rows if edges is None else edges,
        }
        taken = {
            name: np.take(value, index[axis_of(name)], 0)
            for name, value in inputs.items()
            if name not in ("edges", "edge_counts")
        }
        if edges is not None:
            shift = np.repeat(starts(taken["lengths"]), inputs["edge_counts"][rows])
            taken["edges"] = np.take(inputs["edges"], edges, 1) + shift
        targets = {
            name: value[index[events.axes.get(name, "event")]]
            for name, value in events.targets.items()
        }
        spectators = {name: value[rows] for name, value in events.spectators.items()}
        weight = events.weight[rows] if len(events.weight) else events.weight
        return Batch(taken, targets, weight, spectators, events.axes)

    def _item_index(self, counter: str, rows: Array) -> Array | None:
        """Return the indices of all points (or edges) of these events, concatenated."""
        if counter not in self._starts:
            return None
        return item_index(self.events.inputs[counter][rows], self._starts[counter][rows])


def local_edges(block: Batch) -> Batch:
    """Return a batch whose edges are relative to their event's first point, sorted by event.

    `edge_counts` (batch,) is the count of edges of each event, so that they can be sliced.
    """
    if "edges" not in block.inputs or "edge_counts" in block.inputs:
        return block
    lengths, edges = block.inputs["lengths"], block.inputs["edges"]
    event = np.repeat(np.arange(len(lengths)), lengths)[edges[0]]  # (edges,)
    order = np.argsort(event, kind="stable")
    local = (edges - starts(lengths)[event])[:, order]
    counts = np.bincount(event, minlength=len(lengths))
    moved = {name: block.inputs[name][order] for name in EDGEWISE & set(block.inputs)}
    inputs = {**block.inputs, **moved, "edges": local, "edge_counts": counts}
    targets = {
        name: value[order] if block.axes.get(name) == "edge" else value
        for name, value in block.targets.items()
    }
    return replace(block, inputs=inputs, targets=targets)


def size_in_bytes(block: Batch) -> int:
    """Return the memory of a batch's arrays in bytes."""
    arrays = [*block.inputs.values(), *block.targets.values(), *block.spectators.values()]
    return sum(array.nbytes for array in [*arrays, block.weight])


def _concatenate(blocks: Sequence[Batch]) -> Batch:
    if len(blocks) == 1:
        return blocks[0]

    def join(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
        return {
            name: np.concatenate([part.pop(name) for part in parts], 1 if name == "edges" else 0)
            for name in list(parts[0])
        }

    return Batch(
        join([block.inputs for block in blocks]),
        join([block.targets for block in blocks]),
        np.concatenate([block.weight for block in blocks]),
        join([block.spectators for block in blocks]),
        blocks[0].axes,
    )
