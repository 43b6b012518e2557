"""LSTM over particles boosted into learned rest frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.four_momenta import boost, kinematics
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import leading_points, segment_ids
from bunchtrain.networks.layers.recurrence import last_states
from bunchtrain.parts.ranges import Dropout, HiddenWidths, PointCount, Width


class BoostLSTM(nn.Module):
    """Trained Lorentz boosts of an event's particles, then an LSTM (arXiv:1812.09722, 1711.09059).

    M rest frames are sums of the N leading momenta k_i with trained non-negative weights,
    f_j = Σ_i |b_ij| k_i, and every particle is boosted into each of them. Its ln E, ln pT, ln m, η
    and φ in every frame and in that of the detector are normalised over the batch and are the
    inputs of the LSTM, in the order of the particles:

        h_t = LSTM(x_t, h_{t−1}),    x_t = (kinematics of k_t boosted into f_1, …, f_M, and of k_t);

    dense layers follow its last state. The frames are those of the Lorentz boost network, the LSTM
    that of the recurrent top tagger. Needs ordered particles, as from the representation
    `sequence`.

    momenta    4, for (E, px, py, pz) in GeV.
    outputs    number of outputs.
    particles  N, leading particles in the sums.
    frames     M, rest frames.
    hidden     size of the state of the LSTM.
    widths     widths of the dense layers.
    dropout    fraction of the units of the dense layers dropped in training.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        particles: PointCount = 20,
        frames: Width = 6,
        hidden: Width = 128,
        widths: HiddenWidths = (64,),
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self.particles = particles
        self.weights = nn.Parameter(torch.randn(frames, particles))
        self.norm = nn.BatchNorm1d(5 * (frames + 1))
        self.cells = nn.LSTM(5 * (frames + 1), hidden)
        self.dense = perceptron(hidden, widths, outputs, dropout=dropout)

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        momenta  (points, 4) as (E, px, py, pz) in GeV, packed, in order.
        lengths  (batch,), points of each event.
        """
        inputs = normalise(self.boosted_kinematics(momenta, lengths), self.norm)
        outputs: Tensor = self.dense(last_states(self.cells, inputs, lengths))
        return outputs

    def frames(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return the rest frames of each event in double precision: (batch, M, 4)."""
        leading = leading_points(momenta.double(), lengths, self.particles)
        return self.weights.abs().double() @ leading

    def boosted_kinematics(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return the kinematics of each particle in all frames: (points, 5 (M + 1))."""
        event, exact = segment_ids(lengths, momenta.shape[0]), momenta.double()[:, None]
        boosted = boost(exact, self.frames(momenta, lengths)[event])  # (points, M, 4)
        return kinematics(torch.cat([boosted, exact], 1), momenta.dtype).flatten(1)
