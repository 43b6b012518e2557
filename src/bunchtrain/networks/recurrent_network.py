"""Recurrent network (LSTM or GRU) over an ordered sequence of particles.

h_t = cell(x_t, h_{t−1}) from the first particle to the last, then dense layers on the last h. With
σ the sigmoid function, ⊙ the product of components and W of the two side by side, the LSTM is

    i, f, o = σ(W_{i,f,o} [x_t, h_{t−1}] + b_{i,f,o}),   g = tanh(W_g [x_t, h_{t−1}] + b_g),
    c_t = f ⊙ c_{t−1} + i ⊙ g,   h_t = o ⊙ tanh(c_t),

and the GRU, which has no c,

    r, z = σ(W_{r,z} [x_t, h_{t−1}] + b_{r,z}),   n = tanh(W x_t + b + r ⊙ (U h_{t−1} + b')),
    h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}.

The default sizes, an LSTM of 128 and a dense layer of 64, are those of the LSTM top tagger
(arXiv:1711.09059).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.recurrence import last_states


class RecurrentNetwork(nn.Module):
    """Recurrent network (LSTM or GRU) over an ordered sequence of particles (arXiv:1711.09059).

    Needs particles in order, as the representation `sequence` gives them; their order counts.

    Args:
        features: number of features of a particle.
        outputs: number of outputs.
        cell: lstm (doi:10.1162/neco.1997.9.8.1735) or gru (arXiv:1406.1078).
        hidden: size of the state of the cell.
        layers: cells on top of one another.
        widths: dense layers after the last state.
        bidirectional: also read from the last particle to the first.
        dropout: fraction of the units dropped between the cells and in the dense layers.
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
        self.dense = perceptron((1 + bidirectional) * hidden, widths, outputs, dropout=dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        output: Tensor = self.dense(last_states(self.cells, features, lengths))
        return output
