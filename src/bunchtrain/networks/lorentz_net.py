"""LorentzNet: messages among particles that depend on Minkowski products of their momenta alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.all_pairs import (
    AllPairs,
    all_pairs,
    linear_of_pairs,
    minkowski,
    with_beams,
)
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_mean


def compressed(values: Tensor) -> Tensor:
    """Return ψ(z) = sgn(z) ln(|z| + 1)."""
    return values.sign() * values.abs().log1p()


class LorentzNet(nn.Module):
    """Lorentz-equivariant graph network on packed particles (arXiv:2201.08187).

    Each particle has a momentum x_i, at first its own, and numbers h_i, at first made of its mass.
    A block lets them pass messages, j running over the other particles of the jet:

        m_ij = φ_e(h_i, h_j, ψ(‖x_i − x_j‖²), ψ(⟨x_i, x_j⟩)),
        x_i' = x_i + c Σ_j φ_x(m_ij) x_j,
        h_i' = h_i + φ_h(h_i, Σ_j φ_m(m_ij) m_ij, h_i⁰),

    with ψ(z) = sgn(z) ln(|z| + 1), ⟨,⟩ the Minkowski product and φ_m between 0 and 1; h_i⁰ is what
    h_i was made of. The mean of h over the jet goes to two dense layers. The outputs are unchanged
    by any boost or rotation of the jet's particles. With `beams`, two beams (√2, 0, 0, ±1) join
    each jet as particles, marked as such, and only rotations around them change nothing.
    Memory grows with the number of pairs: the paper trains on 32 jets a batch, with beams.
    The momenta move as the paper's equation says; its published code moves them by the mean over j
    of φ_x(m_ij) (x_i − x_j).

    Args:
        momenta: 4, for (E, px, py, pz) in GeV.
        outputs: numbers that the network gives.
        width: numbers of a particle, and of a message.
        blocks: how often messages are passed.
        step: the factor c.
        beams: add the two beams to each jet.
        dropout: share dropped before the last layer in training.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        width: int = 72,
        blocks: int = 6,
        step: float = 5e-3,
        beams: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.beams = beams
        scalars = 2 if beams else 1
        self.embed = nn.Linear(scalars, width)
        moves = [True] * (blocks - 1) + [False]  # nobody looks at the last momenta
        self.blocks = nn.ModuleList(LorentzBlock(width, scalars, step, move) for move in moves)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, outputs)
        )

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        Args:
            momenta: (points, 4) as (E, px, py, pz) in GeV, packed.
            lengths: (batch,), points of each jet.
        """
        known = []
        if self.beams:
            momenta, lengths, beam = with_beams(momenta, lengths, mass=1.0)
            known.append(beam.to(momenta.dtype))
        known.append(compressed(minkowski(momenta, momenta)))
        scalars = torch.stack(known, 1)  # (points, scalar)
        pairs = all_pairs(lengths, momenta.shape[0], own=False)
        points = self.embed(scalars)
        for block in self.blocks:
            points, momenta = block(points, momenta, scalars, pairs)
        jets: Tensor = self.head(segment_mean(points, lengths))
        return jets


class LorentzBlock(nn.Module):
    """One passing of messages; `move` says whether the momenta change, too."""

    def __init__(self, width: int, scalars: int, step: float, move: bool) -> None:
        super().__init__()
        self.step = step
        self.pair = nn.Linear(2 * width + 2, width, bias=False)
        self.pair_norm = nn.BatchNorm1d(width)
        self.message = nn.Linear(width, width)
        self.attention = nn.Linear(width, 1)
        self.move: nn.Module | None = None
        if move:
            last = nn.Linear(width, 1, bias=False)
            nn.init.xavier_uniform_(last.weight, gain=1e-3)  # at first, nothing moves
            self.move = nn.Sequential(nn.Linear(width, width), nn.ReLU(), last)
        self.gather = nn.Linear(2 * width + scalars, width)
        self.gather_norm = nn.BatchNorm1d(width)
        self.update = nn.Linear(width, width)

    def forward(
        self, points: Tensor, momenta: Tensor, scalars: Tensor, pairs: AllPairs
    ) -> tuple[Tensor, Tensor]:
        """Return h (points, width) and x (points, 4) after the block."""
        message = self._messages(points, momenta, pairs)  # (pairs, width)
        heard = pairs.sum(torch.sigmoid(self.attention(message)) * message)
        if self.move is not None:
            moved = pairs.sum(self.move(message) * momenta[pairs.sender])
            momenta = momenta + self.step * moved
        gathered = self.gather(torch.cat([points, heard, scalars], 1))
        update = self.update(functional.relu(normalise(gathered, self.gather_norm)))
        return points + update, momenta

    def _messages(self, points: Tensor, momenta: Tensor, pairs: AllPairs) -> Tensor:
        one, other = momenta[pairs.receiver], momenta[pairs.sender]
        apart = one - other
        products = torch.stack([minkowski(apart, apart), minkowski(one, other)], 1)
        along = linear_of_pairs(self.pair, points, pairs, compressed(products))
        along = functional.relu(normalise(along, self.pair_norm))
        return functional.relu(self.message(along))
