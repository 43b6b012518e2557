"""LoLa: learned sums of the leading momenta and their Minkowski products."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.four_momenta import minkowski
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import leading_points
from bunchtrain.parts.ranges import HiddenWidths, PointCount, Width


class Lola(nn.Module):
    """Combination layer, Lorentz layer and dense network (arXiv:1707.08966).

    The combination layer maps the N leading momenta k_i to their sum, themselves and M trained
    sums, k̃_j = Σ_i k_i C_ij. The Lorentz layer computes seven features of each of these,

        m²(k̃_j),  pT(k̃_j),  Σ_m w_jm E(k̃_m),  Σ_m w_jm d²_jm (twice),  min_m w_jm d²_jm (twice),

    each with its own trained weights w, and d²_jm = (k̃_j − k̃_m)² by the Minkowski metric. They
    are normalised over the batch, which the paper does not mention, because they range over many
    powers of GeV. Two dense layers of 100 and 50 follow, as in the paper; the default N and M give
    the 127 thousand parameters of arXiv:1902.09914. Needs ordered particles, as from the
    representation `sequence`.

    momenta       4, for (E, px, py, pz) in GeV.
    outputs       number of outputs.
    particles     N, leading particles.
    combinations  M, trained sums.
    widths        widths of the dense layers.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        particles: PointCount = 80,
        combinations: Width = 19,
        widths: HiddenWidths = (100, 50),
    ) -> None:
        super().__init__()
        self.particles = particles
        vectors = 1 + particles + combinations
        self.combine = nn.Parameter(torch.randn(particles, combinations) / particles**0.5)
        self.energy = nn.Parameter(torch.randn(vectors, vectors) / vectors**0.5)
        self.distance = nn.Parameter(torch.randn(4, vectors, vectors) / vectors**0.5)
        self.norm = nn.BatchNorm1d(7 * vectors)
        self.dense = perceptron(7 * vectors, widths, outputs)

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        momenta  (points, 4) as (E, px, py, pz) in GeV, packed, in order.
        lengths  (batch,), points of each jet.
        """
        vectors = self.combination_layer(leading_points(momenta, lengths, self.particles))
        features = normalise(self.lorentz_layer(vectors).flatten(1), self.norm)
        outputs: Tensor = self.dense(features)
        return outputs

    def combination_layer(self, leading: Tensor) -> Tensor:
        """Return the sum, the momenta and the trained sums: (batch, vector, 4)."""
        trained = torch.einsum("bim,ij->bjm", leading, self.combine)
        return torch.cat([leading.sum(1, keepdim=True), leading, trained], 1)

    def lorentz_layer(self, vectors: Tensor) -> Tensor:
        """Return seven features of each vector: (batch, vector, 7) from (batch, vector, 4)."""
        mass2 = minkowski(vectors, vectors)
        pt = torch.linalg.vector_norm(vectors[..., 1:3], dim=2)
        energy = vectors[..., 0] @ self.energy.T
        difference = vectors[:, :, None] - vectors[:, None]  # (batch, vector, vector, 4)
        squared = minkowski(difference, difference)
        summed = torch.einsum("bjm,cjm->bjc", squared, self.distance[:2])
        least = [(squared * weight).amin(2) for weight in self.distance[2:]]
        return torch.cat([torch.stack([mass2, pt, energy, *least], 2), summed], 2)
