"""LBN: learned sums of the leading momenta, boosted into learned rest frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import Activation, perceptron
from bunchtrain.networks.layers.four_momenta import SMALLEST, boost, kinematics
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import leading_points
from bunchtrain.parts.ranges import HiddenWidths, PointCount, Width


class LBN(nn.Module):
    """Lorentz boost network and dense network (arXiv:1812.09722).

    M composite particles and M rest frames are sums of the N leading momenta k_i with trained
    non-negative weights,

        p_j = Σ_i |a_ij| k_i,   f_j = Σ_i |b_ij| k_i,

    and particle j is boosted into the rest frame of f_j: with β = f / E_f and γ = E_f / m_f,

        E' = γ (E − β·p),   p' = p + (γ² / (γ + 1) β·p − γ E) β.

    The features of the boosted particles are ln E, ln pT, ln m, η and φ, and the cosines of the
    angles between each two of them. They are normalised over the batch and are the inputs of a
    dense network. The paper's dense network is for another problem; the default widths give the
    705 thousand parameters of arXiv:1902.09914. Needs ordered particles, as from the
    representation `sequence`.

    momenta       4, for (E, px, py, pz) in GeV.
    outputs       number of outputs.
    particles     N, leading particles.
    combinations  M, composite particles and rest frames.
    widths        widths of the dense layers.
    activation    activation function.
    """

    one: Tensor  # (pairs,), the first of each pair of composite particles
    other: Tensor  # (pairs,), the second

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        particles: PointCount = 50,
        combinations: Width = 13,
        widths: HiddenWidths = (400, 400, 400, 400, 400),
        activation: Activation = "elu",
    ) -> None:
        super().__init__()
        self.particles = particles
        self.weights = nn.Parameter(torch.randn(2, combinations, particles))
        one, other = torch.triu_indices(combinations, combinations, 1)
        self.register_buffer("one", one, persistent=False)
        self.register_buffer("other", other, persistent=False)
        features = 5 * combinations + len(one)
        self.norm = nn.BatchNorm1d(features)
        self.dense = perceptron(features, widths, outputs, activation)

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        momenta  (points, 4) as (E, px, py, pz) in GeV, packed, in order.
        lengths  (batch,), points of each jet.
        """
        leading = leading_points(momenta.double(), lengths, self.particles)
        combined = self.weights.abs()[:, None].double() @ leading
        particles, frames = combined.unbind(0)  # (batch, M, 4)
        features = self.boosted_features(boost(particles, frames), momenta.dtype)
        outputs: Tensor = self.dense(normalise(features, self.norm))
        return outputs

    def boosted_features(self, boosted: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the features of boosted particles: (batch, feature) from (batch, M, 4)."""
        axis = (
            boosted[..., 1:] / (boosted[..., 1:].square().sum(-1, keepdim=True) + SMALLEST).sqrt()
        )
        cosines = (axis[:, self.one] * axis[:, self.other]).sum(-1)
        return torch.cat(
            [kinematics(boosted, dtype).transpose(1, 2).flatten(1), cosines.to(dtype)], 1
        )
