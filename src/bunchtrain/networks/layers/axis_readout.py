"""Outputs for each point or edge, from the points that a model embeds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import segment_ids, segment_mean

#: Hidden widths of the dense networks.
HIDDEN = (128, 128)


class PointReadout(nn.Module):
    """Dense network on each point and the mean of the points of its event.

    width    features of an embedded point.
    outputs  number of outputs of a point.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.dense = perceptron(2 * width, HIDDEN, outputs)

    def forward(self, points: Tensor, lengths: Tensor, edges: Tensor | None) -> Tensor:
        """Return (points, outputs) from (points, width) and `lengths` (batch,)."""
        event = segment_ids(lengths, points.shape[0])
        mean = segment_mean(points, lengths)[event]  # (points, width)
        output: Tensor = self.dense(torch.cat([points, mean], 1))
        return output


class EdgeReadout(nn.Module):
    """Dense network on the sum and the absolute difference of the two points of each edge.

    The output is the same for both directions of an edge.

    width    features of an embedded point.
    outputs  number of outputs of an edge.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.dense = perceptron(2 * width, HIDDEN, outputs)

    def forward(self, points: Tensor, lengths: Tensor, edges: Tensor | None) -> Tensor:
        """Return (edges, outputs) from (points, width) and `edges` (2, edges)."""
        assert edges is not None  # checked with the study
        first, second = points[edges[0]], points[edges[1]]
        output: Tensor = self.dense(torch.cat([first + second, (first - second).abs()], 1))
        return output
