"""ParticleNet: edge convolutions over the nearest neighbours in the particle cloud of a jet."""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.networks.layers.edge_convolution import EdgeConvolution
from bunchtrain.networks.layers.edges import nearest_neighbours
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_mean
from bunchtrain.parts.ranges import BlockWidths, Dropout, PointCount, Width


class ParticleNet(nn.Module):
    """Dynamic graph network on packed particles (arXiv:1902.08570).

    Inputs are normalised over the batch, x_i⁰ = BN(features of i). Each edge convolution is

        x_i' = relu(mean_{j ∈ N_k(i)} h(x_i, x_j − x_i) + BN(V x_i)),

    where h are three linear maps, each followed by batch normalisation and ReLU, and N_k(i) the k
    nearest particles of the same jet: in `coordinates` for the first convolution, in x for the
    others (the graph is dynamic). Then output = W₂ dropout(relu(W₁ mean_i x_i)), without biases in
    this formula. A particle is no neighbour of itself; in a jet of n ≤ k particles each has n − 1
    neighbours, and means are over existing neighbours.

    features     features of a particle.
    coordinates  coordinates of a particle, (Δη, Δφ) in the paper.
    outputs      number of outputs.
    k            number of nearest neighbours.
    channels     widths of the three linear layers of each edge convolution.
    dense        width of the dense layer.
    dropout      fraction of its units dropped in training.
    """

    def __init__(
        self,
        features: int,
        coordinates: int,
        outputs: int,
        *,
        k: PointCount = 16,
        channels: BlockWidths = ((64, 64, 64), (128, 128, 128), (256, 256, 256)),
        dense: Width = 256,
        dropout: Dropout = 0.1,
    ) -> None:
        super().__init__()
        self.k, self.point_width = k, channels[-1][-1]
        self.input_norm = nn.BatchNorm1d(features)
        widths = [features, *[layers[-1] for layers in channels]]
        self.convolutions = nn.ModuleList(
            EdgeConvolution(width, layers) for width, layers in zip(widths, channels, strict=False)
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1], dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, outputs)
        )

    #: Modules of the outputs of events alone.
    event_modules = ("head",)

    def embed_points(self, features: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return the points after the last edge convolution, (points, width)."""
        points = normalise(features, self.input_norm)
        for convolution in self.convolutions:
            points = convolution(points, nearest_neighbours(coordinates, lengths, self.k))
            coordinates = points
        return points

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        outputs: Tensor = self.head(segment_mean(points, lengths))
        return outputs

    def forward(self, features: Tensor, coordinates: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        features     (points, feature), packed.
        coordinates  (points, 2), packed.
        lengths      (batch,), points of each jet.
        """
        return self.read_out(self.embed_points(features, coordinates, lengths), lengths)
