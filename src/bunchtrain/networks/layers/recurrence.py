"""LSTM and GRU over packed sequences of any lengths, and the same as one ONNX operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from bunchtrain.networks.layers.packing import segment_ids, starts

#: Where ONNX's gates stand among torch's: i, o, f, c of i, f, g, o; z, r, h of r, z, n.
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


def packed_sequence(features: Tensor, lengths: Tensor) -> PackedSequence:
    """Return the sequences that are not empty as torch's cells take them, without any padding.

    The first points of all events come first, then their second points, and so on; in each step
    the events are ordered from the longest to the shortest. `features` (points, feature),
    `lengths` (batch,).
    """
    order = lengths.argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    event = segment_ids(lengths, len(features))
    points = torch.arange(len(features), device=features.device)
    step = points - starts(lengths)[event]
    batch_sizes = torch.bincount(step)
    row = torch.empty_like(points)
    row[starts(batch_sizes)[step] + rank[event]] = points
    return PackedSequence(features[row], batch_sizes.cpu())


def last_states(cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the state after the last point, of both directions if there are two; 0 without points.

    (batch, directions · hidden) from packed `features` (points, feature) and `lengths` (batch,).
    """
    if torch.compiler.is_exporting():
        return _exported(cells, features, lengths)
    directions = 2 if cells.bidirectional else 1
    state = features.new_zeros(len(lengths), directions * cells.hidden_size)
    if len(features) == 0:
        return state
    _, last = cells(packed_sequence(features, lengths))
    hidden = last[0] if isinstance(last, tuple) else last  # (layers · directions, events, hidden)
    top = hidden[-directions:].transpose(0, 1).flatten(1)  # (events with points, ...)
    order = lengths.argsort(descending=True, stable=True)
    return state.to(top.dtype).index_copy(0, order[: len(top)], top)


def _exported(cells: nn.LSTM | nn.GRU, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the last states by ONNX's operators, which are told the lengths."""
    slots: int = lengths.max().clamp(min=1).item()  # type: ignore[assignment]  # int() is fixed
    torch._check(slots >= 1)  # type: ignore[no-untyped-call]
    slot = torch.arange(slots, device=lengths.device)[:, None]
    point = torch.where(slot < lengths, starts(lengths) + slot + 1, 0)
    values = torch.cat([features.new_zeros(1, features.shape[1]), features])[point]
    for layer in range(cells.num_layers):
        every, state = _operator(cells, layer, values, lengths)
        values = every.transpose(1, 2).flatten(2)  # (slots, batch, directions · hidden)
    return state.transpose(0, 1).flatten(1)


def _operator(
    cells: nn.LSTM | nn.GRU, layer: int, values: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (slots, directions, batch, hidden) and the last states (directions, batch, hidden)."""
    kind, both = type(cells).__name__, cells.bidirectional
    directions = [f"l{layer}", f"l{layer}_reverse"] if both else [f"l{layer}"]

    def weights(name: str) -> Tensor:
        """Return a weight of all directions, its gates in ONNX's order."""
        made = [getattr(cells, f"{name}_{end}").chunk(len(GATES[kind])) for end in directions]
        return torch.stack([torch.cat([gates[g] for g in GATES[kind]]) for gates in made])

    shape = (values.shape[0], len(directions), values.shape[1], cells.hidden_size)
    attributes: dict[str, Any] = {
        "hidden_size": cells.hidden_size,
        "direction": "bidirectional" if both else "forward",
    }
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    biases = torch.cat([weights("bias_ih"), weights("bias_hh")], 1)
    given = values, weights("weight_ih"), weights("weight_hh"), biases, lengths.int()
    every, state = torch.onnx.ops.symbolic_multi_out(
        kind, given, attributes, dtypes=(values.dtype, values.dtype), shapes=(shape, shape[1:]),
        version=14,
    )  # fmt: skip
    return every, state
