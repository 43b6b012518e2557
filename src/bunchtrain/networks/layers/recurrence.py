"""LSTM and GRU over packed sequences of any lengths, and their export as one ONNX operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from bunchtrain.networks.layers.packing import segment_ids, starts

#: Index of ONNX's gates among torch's: i, o, f, c of i, f, g, o; z, r, h of r, z, n.
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


def packed_sequence(features: Tensor, lengths: Tensor) -> PackedSequence:
    """Return the non-empty sequences as torch's packed sequence, without padding.

    Rows are sorted by step (the first points of all events, then their second points, ...), and
    within a step from the longest to the shortest event. `features` (points, feature), `lengths`
    (batch,).
    """
    place, batch_sizes = _places(lengths, len(features))
    row = torch.empty_like(place)
    row[place] = torch.arange(len(place), device=place.device)
    return PackedSequence(features[row], batch_sizes.cpu())


def _places(lengths: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """Return the row (points,) of each point in the packed sequence, and the rows of each step."""
    order = lengths.argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    event = segment_ids(lengths, points)
    step = torch.arange(points, device=lengths.device) - starts(lengths)[event]
    batch_sizes = torch.bincount(step)
    return starts(batch_sizes)[step] + rank[event], batch_sizes


def last_states(cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the state after the last point, concatenated over directions; 0 without points.

    (batch, directions · hidden) from packed `features` (points, feature) and `lengths` (batch,).
    """
    if torch.compiler.is_exporting():
        return _states_onnx(cells, features, lengths)[1]
    directions = 2 if cells.bidirectional else 1
    state = features.new_zeros(len(lengths), directions * cells.hidden_size)
    if len(features) == 0:
        return state
    _, last = cells(packed_sequence(features, lengths))
    hidden = last[0] if isinstance(last, tuple) else last  # (layers · directions, events, hidden)
    top = hidden[-directions:].transpose(0, 1).flatten(1)  # (events with points, ...)
    order = lengths.argsort(descending=True, stable=True)
    return state.to(top.dtype).index_copy(0, order[: len(top)], top)


def all_states(cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the state at each point, concatenated over directions.

    (points, directions · hidden) from packed `features` (points, feature) and `lengths` (batch,).
    """
    if torch.compiler.is_exporting():
        states = _states_onnx(cells, features, lengths)[0]
        event = segment_ids(lengths, len(features))
        slot = torch.arange(len(features), device=lengths.device) - starts(lengths)[event]
        return states[slot, event]
    if len(features) == 0:
        return features.new_zeros(0, (1 + cells.bidirectional) * cells.hidden_size)
    states, _ = cells(packed_sequence(features, lengths))
    found: Tensor = states.data[_places(lengths, len(features))[0]]
    return found


def _states_onnx(
    cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return all states (slots, batch, …) and the last (batch, …), by ONNX's operators."""
    slots: int = lengths.max().clamp(min=1).item()  # type: ignore[assignment]  # int() is fixed
    torch._check(slots >= 1)  # type: ignore[no-untyped-call]
    slot = torch.arange(slots, device=lengths.device)[:, None]
    point = torch.where(slot < lengths, starts(lengths) + slot + 1, 0)
    values = torch.cat([features.new_zeros(1, features.shape[1]), features])[point]
    for layer in range(cells.num_layers):
        states, state = _operator(cells, layer, values, lengths)
        values = states.transpose(1, 2).flatten(2)  # (slots, batch, directions · hidden)
    return values, state.transpose(0, 1).flatten(1)


def _operator(
    cells: nn.LSTM | nn.GRU, layer: int, values: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return all states (slots, directions, batch, hidden) and the last ones, without slots."""
    kind, both = type(cells).__name__, cells.bidirectional
    directions = [f"l{layer}", f"l{layer}_reverse"] if both else [f"l{layer}"]

    def weights(name: str) -> Tensor:
        """Return a weight of all directions, its gates in ONNX's order."""
        chunks = [getattr(cells, f"{name}_{end}").chunk(len(GATES[kind])) for end in directions]
        return torch.stack([torch.cat([gates[g] for g in GATES[kind]]) for gates in chunks])

    shape = (values.shape[0], len(directions), values.shape[1], cells.hidden_size)
    attributes: dict[str, Any] = {
        "hidden_size": cells.hidden_size,
        "direction": "bidirectional" if both else "forward",
    }
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    biases = torch.cat([weights("bias_ih"), weights("bias_hh")], 1)
    inputs = values, weights("weight_ih"), weights("weight_hh"), biases, lengths.int()
    states, state = torch.onnx.ops.symbolic_multi_out(
        kind, inputs, attributes, dtypes=(values.dtype, values.dtype), shapes=(shape, shape[1:]),
        version=14,
    )  # fmt: skip
    return states, state
