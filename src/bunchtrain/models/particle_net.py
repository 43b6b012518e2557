"""ParticleNet: a jet as a cloud of particles, convolved along the edges to nearest neighbours."""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.models.layers.edge_convolution import EdgeConvolution
from bunchtrain.models.layers.nearest_neighbours import nearest_neighbours
from bunchtrain.models.layers.normalisation import normalise
from bunchtrain.models.layers.packing import segment_mean


class ParticleNet(nn.Module):
    """Dynamic graph network on packed particles (arXiv:1902.08570).

    Batch normalisation of the inputs, edge convolutions (the first among neighbours in
    `coordinates`, the others among neighbours in the features that the one before made), the mean
    over the jet's particles, a dense layer with dropout. Neighbours exclude the particle itself; a
    jet of n ≤ k particles has n − 1 neighbours a particle, and means divide by the number that
    there are.

    Args:
        features: numbers of a particle.
        coordinates: coordinates of a particle, (Δη, Δφ) in the paper.
        outputs: numbers that the network gives.
        k: nearest neighbours.
        channels: widths of the three linear layers of each edge convolution.
        dense: width of the dense layer.
        dropout: share of its outputs that are dropped in training.
    """

    def __init__(
        self,
        features: int,
        coordinates: int,
        outputs: int,
        *,
        k: int = 16,
        channels: tuple[tuple[int, ...], ...] = ((64, 64, 64), (128, 128, 128), (256, 256, 256)),
        dense: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.k = k
        self.input_norm = nn.BatchNorm1d(features)
        widths = [features, *[layers[-1] for layers in channels]]
        self.convolutions = nn.ModuleList(
            EdgeConvolution(width, layers) for width, layers in zip(widths, channels, strict=False)
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1], dense),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(dense, outputs),
        )

    def forward(self, features: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        Args:
            features: (points, feature), packed.
            coordinates: (points, 2), packed.
            lengths: (batch,), points of each jet.
        """
        points, place = normalise(features, self.input_norm), coordinates
        for convolution in self.convolutions:
            points = convolution(points, nearest_neighbours(place, lengths, self.k))
            place = points
        jets: Tensor = self.head(segment_mean(points, lengths))
        return jets
