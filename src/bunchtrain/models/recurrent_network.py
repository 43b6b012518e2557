"""Recurrent network (LSTM or GRU) over an ordered sequence of particles.

h_t = cell(x_t, h_{t-1}) from the first particle to the last, then dense layers on the last h. The
default sizes, an LSTM of 128 and a dense layer of 64, are those of the LSTM top tagger
(arXiv:1711.09059).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from bunchtrain.models.layers.dense import perceptron
from bunchtrain.models.layers.packing import segment_ids, starts


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


class RecurrentNetwork(nn.Module):
    """Recurrent network (LSTM or GRU) over an ordered sequence of particles (arXiv:1711.09059).

    features       number of features of a particle.
    outputs        number of outputs.
    hidden         size of the state of the cell.
    layers         cells on top of one another.
    widths         dense layers after the last state.
    bidirectional  also read from the last particle to the first.
    dropout        fraction of the units dropped between the cells and in the dense layers.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        hidden: int = 128,
        layers: int = 1,
        widths: tuple[int, ...] = (64,),
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        made = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        between = dropout if layers > 1 else 0.0
        self.cells = made(features, hidden, layers, dropout=between, bidirectional=bidirectional)
        self.directions = 2 if bidirectional else 1
        self.dense = perceptron(self.directions * hidden, widths, outputs, dropout=dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        output: Tensor = self.dense(self.last_state(features, lengths))
        return output

    def last_state(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the state after the last point, (batch, directions · hidden); 0 without points."""
        state = features.new_zeros(len(lengths), self.directions * self.cells.hidden_size)
        if len(features) == 0:
            return state
        _, last = self.cells(packed_sequence(features, lengths))
        hidden = (
            last[0] if isinstance(last, tuple) else last
        )  # (layers · directions, events, hidden)
        top = hidden[-self.directions :].transpose(0, 1).flatten(1)  # (events with points, ...)
        order = lengths.argsort(descending=True, stable=True)
        return state.to(top.dtype).index_copy(0, order[: len(top)], top)
