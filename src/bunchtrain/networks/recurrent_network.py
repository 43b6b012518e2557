"""Recurrent network (LSTM or GRU) over an ordered sequence of particles.

h_t = cell(x_t, h_{t−1}) from the first particle to the last, then dense layers on the last h. With
σ the sigmoid function, ⊙ the elementwise product and [ , ] the concatenation, the LSTM is

    i, f, o = σ(W_{i,f,o} [x_t, h_{t−1}] + b_{i,f,o}),   g = tanh(W_g [x_t, h_{t−1}] + b_g),
    c_t = f ⊙ c_{t−1} + i ⊙ g,   h_t = o ⊙ tanh(c_t),

and the GRU, without c,

    r, z = σ(W_{r,z} [x_t, h_{t−1}] + b_{r,z}),   n = tanh(W x_t + b + r ⊙ (U h_{t−1} + b')),
    h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}.

With `linear` the output is W x + b + network(x), with the features x of the first points; W and b
begin as the least-squares estimate and the last layer of the network as 0.

The default sizes, an LSTM of 128 and a dense layer of 64, are those of the LSTM top tagger
(arXiv:1711.09059).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.linear_estimate import LinearEstimate
from bunchtrain.networks.layers.packing import leading_points
from bunchtrain.networks.layers.recurrence import all_states, ends, last_states
from bunchtrain.parts.ranges import Depth, Dropout, HiddenWidths, PointCount, Width


class RecurrentNetwork(nn.Module):
    """Recurrent network (LSTM or GRU) over an ordered sequence of particles (arXiv:1711.09059).

    Needs ordered particles, as from the representation `sequence`. Outputs of points are from the
    state at each point, such as hits in the order of their layers.

    features       number of features of a particle.
    outputs        number of outputs.
    cell           lstm (doi:10.1162/neco.1997.9.8.1735) or gru (arXiv:1406.1078).
    hidden         size of the state of the cell.
    layers         number of stacked cells.
    widths         dense layers after the last state.
    bidirectional  process the sequence in reverse order, too.
    dropout        fraction of the units dropped between the cells and in the dense layers.
    causal         outputs of a point from the points up to it alone, as of a track that is
                   followed; otherwise the mean of the states of all points is added.
    linear         add a linear function of the features of this number of first points, with 0 for
                   missing ones, which begins as the least-squares estimate of the values of the
                   target in the training set.

    Raises StudyError for both `causal` and `bidirectional`, and for a linear function of too many
    values.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        hidden: Width = 128,
        layers: Depth = 1,
        widths: HiddenWidths = (64,),
        bidirectional: bool = False,
        dropout: Dropout = 0.0,
        causal: bool = False,
        linear: PointCount | None = None,
    ) -> None:
        super().__init__()
        if causal and bidirectional:
            raise StudyError(
                "model 'recurrent_network': 'causal' outputs see no later points, and "
                "'bidirectional' reads them; give one of the two"
            )
        self.is_causal = causal
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        between = dropout if layers > 1 else 0.0
        self.cells = kind(features, hidden, layers, dropout=between, bidirectional=bidirectional)
        self.point_width = (1 + bidirectional) * hidden
        self.dense = perceptron(self.point_width, widths, outputs, dropout=dropout)
        self.linear: LinearEstimate | None = None
        if linear is not None:
            self.points = linear
            self.linear = LinearEstimate(linear * features, outputs)

    #: Modules of the outputs of events alone.
    event_modules = ("dense", "linear")

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the state at each point, (points, width)."""
        return all_states(self.cells, features, lengths)

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from the states at all points."""
        output: Tensor = self.dense(ends(self.cells, points, lengths))
        return output

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        output: Tensor = self.dense(last_states(self.cells, features, lengths))
        if self.linear is not None:
            output = output + self.linear(self.linear_inputs(features, lengths))
        return output

    def linear_inputs(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return what the linear function is of, (batch, value)."""
        return leading_points(features, lengths, self.points).flatten(1)
