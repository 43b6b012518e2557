"""GravNet: neighbours in a learned space, whose features are weighted by the distance.

Each point i has coordinates s_i = S x_i + b in a learned space and features f_i = F x_i + c. With
its k nearest other points of the event in this space (arXiv:1902.07987),

    w_ij = exp(−|s_i − s_j|²),   y_i = tanh(W [x_i, mean_j w_ij f_j, max_j w_ij f_j] + d).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import dense, linear, perceptron
from bunchtrain.networks.layers.distance_weights import gather_neighbours
from bunchtrain.networks.layers.neighbour_table import nearest_points
from bunchtrain.networks.layers.packing import segment_ids, segment_mean
from bunchtrain.parts.ranges import Depth, HiddenWidths, PointCount, Width


class GravNetLayer(nn.Module):
    """Features of the nearest points in a learned space, weighted by the distance.

    size        input features of a point.
    dimensions  of the learned space.
    propagate   features that a point sends to its neighbours.
    filters     output features of a point.
    k           largest number of neighbours.
    """

    def __init__(self, size: int, dimensions: int, propagate: int, filters: int, k: int) -> None:
        super().__init__()
        self.space = nn.Linear(size, dimensions)
        self.features = nn.Linear(size, propagate)
        self.output = linear(size + 2 * propagate, filters, "tanh")
        self.k = k

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return (points, filters) from (points, size) and `lengths` (batch,)."""
        space = self.space(x)
        near = nearest_points(space, lengths, self.k)
        gathered = gather_neighbours(space, self.features(x), near)
        return torch.tanh(self.output(torch.cat([x, gathered], 1)))


class GravNet(nn.Module):
    """GravNet, neighbours at distances in a learned space (arXiv:1902.07987).

    Each block adds the mean over the event to each point, applies dense layers with tanh and one
    GravNet layer; a point after the network is the outputs of all blocks. The defaults are those of
    the paper but for the number of neighbours, 40 there.

    features    input features of a point.
    outputs     number of outputs of an event.
    blocks      number of blocks.
    dense       widths of the dense layers of each block.
    k           largest number of neighbours.
    dimensions  of the learned space.
    propagate   features that a point sends to its neighbours.
    filters     output features of each block.
    widths      units of the dense layers after the mean over the event, for outputs of events.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        blocks: Depth = 4,
        dense: HiddenWidths = (64, 64, 64),
        k: PointCount = 16,
        dimensions: Width = 4,
        propagate: Width = 22,
        filters: Width = 48,
        widths: HiddenWidths = (128,),
    ) -> None:
        super().__init__()
        self.point_width = blocks * filters
        sizes = [features, *[filters] * (blocks - 1)]
        inner = [dense[-1] if dense else 2 * size for size in sizes]
        self.dense = nn.ModuleList(_dense(2 * size, dense) for size in sizes)
        self.layers = nn.ModuleList(
            GravNetLayer(size, dimensions, propagate, filters, k) for size in inner
        )
        self.classifier = perceptron(self.point_width, widths, outputs)

    #: Modules of the outputs of events alone.
    event_modules = ("classifier",)

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs of all blocks, (points, width)."""
        x, found = features, []
        event = segment_ids(lengths, features.shape[0])
        for dense_layers, layer in zip(self.dense, self.layers, strict=True):
            mean = segment_mean(x, lengths)[event]
            x = layer(dense_layers(torch.cat([x, mean], 1)), lengths)
            found.append(x)
        return torch.cat(found, 1)

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        outputs: Tensor = self.classifier(segment_mean(points, lengths))
        return outputs

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        return self.read_out(self.embed_points(features, lengths), lengths)


def _dense(size: int, widths: tuple[int, ...]) -> nn.Sequential:
    return dense(size, widths, "tanh")
