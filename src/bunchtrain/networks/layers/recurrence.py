"""LSTM and GRU over packed events of any lengths, and their export as one ONNX operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from bunchtrain.networks.layers.packing import segment_ids, starts

#: Index of ONNX's gates among torch's: i, o, f, c of i, f, g, o; z, r, h of r, z, n.
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


def all_states(cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the state at each point, concatenated over directions.

    (points, directions · hidden) from packed `features` (points, feature) and `lengths` (batch,).
    """
    if torch.compiler.is_exporting():
        padded = _states_onnx(cells, features, lengths)[0]
        points = features.shape[0]  # len() is fixed
        event = segment_ids(lengths, points)
        slot = torch.arange(points, device=lengths.device) - starts(lengths)[event]
        return padded[slot, event]
    first, width = starts(lengths), (1 + cells.bidirectional) * cells.hidden_size
    rows, states = [first[:0]], [features.new_zeros(0, width)]
    for events in _similar(lengths):
        point, is_point = _slots(first[events], lengths[events])
        values = torch.where(is_point[:, :, None], features[point], 0)
        rows.append(point[is_point])
        states.append(_padded_states(cells, values, lengths[events])[is_point])
    order = torch.empty_like(torch.cat(rows))
    order[torch.cat(rows)] = torch.arange(len(order), device=order.device)
    return torch.cat(states)[order]


def last_states(cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the state after the last point, concatenated over directions; 0 without points.

    (batch, directions · hidden) from packed `features` (points, feature) and `lengths` (batch,).
    """
    if torch.compiler.is_exporting():
        return _states_onnx(cells, features, lengths)[1]
    return ends(cells, all_states(cells, features, lengths), lengths)


def ends(cells: nn.LSTM | nn.GRU, states: Tensor, lengths: Tensor) -> Tensor:
    """Return the last of the states (points, directions · hidden) of each event; 0 without points.

    That of the reverse direction is at the first point.
    """
    hidden, first = cells.hidden_size, starts(lengths)
    padded = torch.cat([states, states.new_zeros(1, states.shape[1])])
    last = torch.where(lengths > 0, first + lengths - 1, len(states))
    found = [padded[last, :hidden]]
    if cells.bidirectional:
        found.append(padded[torch.where(lengths > 0, first, len(states)), hidden:])
    return torch.cat(found, 1)


def _similar(lengths: Tensor) -> Iterator[Tensor]:
    """Yield indices of events whose padding is at most half of the slots; none without points.

    From the longest; torch takes packed sequences step by step, and its gradient then needs a time
    that rises with the square of their length.
    """
    order = lengths.argsort(descending=True, stable=True)
    ranked = lengths[order]
    start, events = 0, int((ranked > 0).sum())
    while start < events:
        end = int((ranked[:events] > ranked[start] // 2).sum())
        yield order[start:end]
        start = end


def _slots(first: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the point of each slot, and whether it has one: (slots, events) each."""
    slot = torch.arange(int(lengths[0]), device=lengths.device)[:, None]
    is_point = slot < lengths
    return torch.where(is_point, first + slot, 0), is_point


def _padded_states(cells: nn.LSTM | nn.GRU, values: Tensor, lengths: Tensor) -> Tensor:
    """Return the states (slots, events, directions · hidden) of `values` (slots, events, feature).

    In the reverse direction the points of each event are reversed and not its padding.
    """
    slot = torch.arange(len(values), device=lengths.device)[:, None]
    back, event = (lengths - 1 - slot).clamp(min=0), torch.arange(len(lengths), device=slot.device)
    for layer in range(cells.num_layers):
        if layer:
            values = dropout(values, cells.dropout, cells.training)
        states = [_direction(cells, f"l{layer}", values)]
        if cells.bidirectional:
            states.append(_direction(cells, f"l{layer}_reverse", values[back, event])[back, event])
        values = torch.cat(states, 2)
    return values


def _direction(cells: nn.LSTM | nn.GRU, end: str, values: Tensor) -> Tensor:
    """Return the states (slots, events, hidden) of one layer and direction."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = [getattr(cells, f"{name}_{end}") for name in names]
    zero = values.new_zeros(1, values.shape[1], cells.hidden_size)
    if isinstance(cells, nn.LSTM):
        states = torch.lstm(values, (zero, zero), weights, True, 1, 0.0, False, False, False)[0]
    else:
        states = torch.gru(values, zero, weights, True, 1, 0.0, False, False, False)[0]
    found: Tensor = states
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
