"""Energy flow network: an energy-weighted sum over directions, then a function of the sum.

F(Σ_i z_i Φ(η_i, φ_i)) with z_i = pT_i / Σ_j pT_j, and Φ and F dense networks (arXiv:1810.05165).
It is infrared and collinear safe: soft particles and collinear splittings leave it unchanged. The
default widths are those of the paper: Φ (100, 100, 256), F (100, 100, 100).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.deep_set import sum_of_points, sums_in_chunks
from bunchtrain.networks.layers.dense import dense, perceptron
from bunchtrain.networks.layers.packing import segment_ids, segment_sum
from bunchtrain.parts.ranges import Dropout, HiddenWidths, Widths


def momentum_fractions(momenta: Tensor, lengths: Tensor) -> Tensor:
    """Return z_i = pT_i / Σ_j pT_j, (points,), from `momenta` (points, 4) and `lengths` (batch,).

    A jet of zero momenta has z_i = 0.
    """
    pt: Tensor = torch.linalg.vector_norm(momenta[:, 1:3], dim=1)
    total = segment_sum(pt, lengths)
    total = torch.where(total > 0, total, torch.ones_like(total))
    return pt / total[segment_ids(lengths, pt.shape[0])]


class EnergyFlowNetwork(nn.Module):
    """Energy flow network (EFN): an IRC-safe deep set (arXiv:1810.05165).

    momenta      size of a momentum, 4: (E, px, py, pz) in GeV.
    coordinates  number of coordinates of a particle's direction.
    outputs      number of outputs.
    phi          widths of Φ.
    f            hidden widths of F.
    dropout      fraction of the units of F dropped in training.
    """

    def __init__(
        self,
        momenta: int,
        coordinates: int,
        outputs: int,
        *,
        phi: Widths = (100, 100, 256),
        f: HiddenWidths = (100, 100, 100),
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self.phi = dense(coordinates, phi)
        self.f = perceptron([coordinates, *phi][-1], f, outputs, dropout=dropout)

    def forward(self, momenta: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from the momenta and coordinates of packed points.

        momenta (points, 4) as (E, px, py, pz) in GeV, coordinates (points, 2), lengths (batch,).
        """
        z = momentum_fractions(momenta, lengths)
        if sums_in_chunks(self.phi, coordinates, z):
            total = sum_of_points(self.phi, coordinates, lengths, z)
        else:
            total = segment_sum(z[:, None] * self.phi(coordinates), lengths)
        output: Tensor = self.f(total)
        return output
