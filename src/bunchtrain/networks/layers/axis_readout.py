"""Outputs for each point or edge, from the points that a model embeds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import segment_ids, segment_mean

#: Hidden widths of the dense networks.
HIDDEN = (128, 128)


def axis_readout(width: int, outputs: int, features: int = 0) -> nn.Sequential:
    """Return the dense network from the features of `point_context` or `edge_context`.

    width     features of an embedded point.
    outputs   number of outputs of a point or edge.
    features  number of features of an edge itself.
    """
    return perceptron(2 * width + features, HIDDEN, outputs)


def causal_readout(width: int, outputs: int) -> nn.Sequential:
    """Return the dense network from an embedded point alone, (points, width)."""
    return perceptron(width, HIDDEN, outputs)


def point_context(points: Tensor, lengths: Tensor) -> Tensor:
    """Return each point and the mean of the points of its event, (points, 2 width).

    points   (points, width), packed.
    lengths  (batch,), points of each event.
    """
    event = segment_ids(lengths, points.shape[0])
    return torch.cat([points, segment_mean(points, lengths)[event]], 1)


def edge_context(points: Tensor, edges: Tensor, features: Tensor | None = None) -> Tensor:
    """Return sum and absolute difference of the points of each edge, then its own features.

    The first two, (edges, 2 width), are the same for both directions of an edge.

    points    (points, width), packed.
    edges     (2, edges), indices of points.
    features  (edges, feature), or None.
    """
    first, second = points[edges[0]], points[edges[1]]
    own = [] if features is None else [features]
    return torch.cat([first + second, (first - second).abs(), *own], 1)
