"""LoLa: trained sums of the leading momenta, then what the Minkowski metric says of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.all_pairs import minkowski
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.leading_momenta import leading_momenta
from bunchtrain.networks.layers.normalisation import normalise


class Lola(nn.Module):
    """Combination layer, Lorentz layer and dense network (arXiv:1707.08966).

    The combination layer makes of the N leading momenta k_i their sum, themselves and M trained
    sums, k̃_j = Σ_i k_i C_ij. The Lorentz layer makes of each of these seven numbers,

        m²(k̃_j),  pT(k̃_j),  Σ_m w_jm E(k̃_m),  Σ_m w_jm d²_jm (twice),  min_m w_jm d²_jm (twice),

    with trained weights w of their own each, and d²_jm = (k̃_j − k̃_m)² by the Minkowski metric.
    They are normalised over the batch, which the paper does not mention, for they range over many
    powers of GeV. Two dense layers of 100 and 50 follow, as in the paper; N and M are set so that
    there are the 127 thousand parameters of arXiv:1902.09914. Needs particles in order, as the
    representation `sequence` gives them; their order counts.

    Args:
        momenta: 4, for (E, px, py, pz) in GeV.
        outputs: numbers that the network gives.
        particles: N, leading particles.
        combinations: M, trained sums.
        widths: of the dense layers.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        particles: int = 80,
        combinations: int = 19,
        widths: tuple[int, ...] = (100, 50),
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

        Args:
            momenta: (points, 4) as (E, px, py, pz) in GeV, packed, in order.
            lengths: (batch,), points of each jet.
        """
        combined = self.combined(leading_momenta(momenta, lengths, self.particles))
        seen = normalise(self.lorentz_layer(combined).flatten(1), self.norm)
        jets: Tensor = self.dense(seen)
        return jets

    def combined(self, leading: Tensor) -> Tensor:
        """Return the sum, the momenta and the trained sums: (batch, vector, 4)."""
        trained = torch.einsum("bim,ij->bjm", leading, self.combine)
        return torch.cat([leading.sum(1, keepdim=True), leading, trained], 1)

    def lorentz_layer(self, vectors: Tensor) -> Tensor:
        """Return the seven numbers of each vector: (batch, vector, 7) from (batch, vector, 4)."""
        mass2 = minkowski(vectors, vectors)
        pt = torch.linalg.vector_norm(vectors[..., 1:3], dim=2)
        energy = vectors[..., 0] @ self.energy.T
        apart = vectors[:, :, None] - vectors[:, None]  # (batch, vector, vector, 4)
        squared = minkowski(apart, apart)
        summed = torch.einsum("bjm,cjm->bjc", squared, self.distance[:2])
        least = [(squared * weight).amin(2) for weight in self.distance[2:]]
        return torch.cat([torch.stack([mass2, pt, energy, *least], 2), summed], 2)
