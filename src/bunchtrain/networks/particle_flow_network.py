"""Particle flow network: a sum over particles, then a function of the sum.

F(Σ_i Φ(p_i)), with Φ and F dense networks and p_i the features of particle i (arXiv:1810.05165).
The default widths are those of the paper: Φ (100, 100, 256), F (100, 100, 100).
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.networks.layers.deep_set import sum_of_points, sums_in_chunks
from bunchtrain.networks.layers.dense import dense, perceptron
from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.parts.ranges import Dropout, HiddenWidths, Widths


class ParticleFlowNetwork(nn.Module):
    """Particle flow network (PFN): a deep set of particles (arXiv:1810.05165).

    features  number of features of a particle.
    outputs   number of outputs.
    phi       widths of Φ.
    f         hidden widths of F.
    dropout   fraction of the units of F dropped in training.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        phi: Widths = (100, 100, 256),
        f: HiddenWidths = (100, 100, 100),
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self.phi = dense(features, phi)
        self.point_width = [features, *phi][-1]
        self.f = perceptron(self.point_width, f, outputs, dropout=dropout)

    #: Modules of the outputs of events alone.
    event_modules = ("f",)

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return Φ of each point, (points, width)."""
        output: Tensor = self.phi(features)
        return output

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        output: Tensor = self.f(segment_sum(points, lengths))
        return output

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        if sums_in_chunks(self.phi, features):
            output: Tensor = self.f(sum_of_points(self.phi, features, lengths))
            return output
        return self.read_out(self.embed_points(features, lengths), lengths)
