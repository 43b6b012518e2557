"""Boosts that are learned, then an LSTM over the particles as they look from the rest frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.boosts import boosted, kinematics
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.leading_momenta import leading_momenta
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_ids
from bunchtrain.networks.layers.recurrence import last_states


class BoostLSTM(nn.Module):
    """Trained Lorentz boosts of an event's particles, then an LSTM (arXiv:1812.09722, 1711.09059).

    Of the N leading momenta k_i, M rest frames are made with trained weights that are not negative,
    f_j = Σ_i |b_ij| k_i, and every particle is boosted into each of them. What is seen of a
    particle there, ln E, ln pT, ln m, η and φ in every frame and in that of the detector, is
    normalised over the batch, and is what the LSTM reads, particle after particle:

        h_t = LSTM(x_t, h_{t−1}),    x_t = (kinematics of k_t boosted into f_1, …, f_M, and of k_t);

    dense layers follow its last state. The frames are those of the Lorentz boost network, the LSTM
    that of the recurrent top tagger. Needs particles in order, as the representation `sequence`
    gives them; their order counts.

    Args:
        momenta: 4, for (E, px, py, pz) in GeV.
        outputs: numbers that the network gives.
        particles: N, leading particles that frames are made of.
        frames: M, rest frames.
        hidden: size of the state of the LSTM.
        widths: of the dense layers.
        dropout: share dropped in the dense layers in training.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        particles: int = 20,
        frames: int = 6,
        hidden: int = 128,
        widths: tuple[int, ...] = (64,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.particles = particles
        self.weights = nn.Parameter(torch.randn(frames, particles))
        self.norm = nn.BatchNorm1d(5 * (frames + 1))
        self.cells = nn.LSTM(5 * (frames + 1), hidden)
        self.dense = perceptron(hidden, widths, outputs, dropout=dropout)

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        Args:
            momenta: (points, 4) as (E, px, py, pz) in GeV, packed, in order.
            lengths: (batch,), points of each event.
        """
        seen = normalise(self.seen(momenta, lengths), self.norm)
        events: Tensor = self.dense(last_states(self.cells, seen, lengths))
        return events

    def frames(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return the rest frames of each event in double precision: (batch, M, 4)."""
        leading = leading_momenta(momenta.double(), lengths, self.particles)
        return self.weights.abs().double() @ leading

    def seen(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return what is seen of each particle from all frames: (points, 5 (M + 1))."""
        event, exact = segment_ids(lengths, momenta.shape[0]), momenta.double()[:, None]
        moved = boosted(exact, self.frames(momenta, lengths)[event])  # (points, M, 4)
        return kinematics(torch.cat([moved, exact], 1), momenta.dtype).flatten(1)
