"""TreeNiN: a recursive network on the clustering tree of the jet, with network-in-network layers.

From the points to the root, every node k with features o_k has an embedding h_k:

    u_k = NiN(ReLU(V o_k + c))
    a_k = u_k for a point, ReLU(W [h_left, h_right, u_k] + b) for a sum of two nodes
    h_k = NiN(a_k)

NiN are two layers h ← ReLU(M h + d); points and sums have different V, c and M, d. Dense layers on
the embedding of the root follow. The recursion is that of arXiv:1702.00748, the network-in-network
layers (1×1) those of arXiv:1902.09914, whose 34 thousand parameters result from the default sizes.

All nodes of a level of all trees of the batch are one matrix product, and the nodes of a level have
their children in the level below, so that no level is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop

from bunchtrain.networks.layers.dense import dense, perceptron
from bunchtrain.networks.layers.packing import segment_ids, starts
from bunchtrain.parts.ranges import Depth, HiddenWidths, Width


class TreeNiN(nn.Module):
    """Recursive network on the clustering tree with network-in-network layers (arXiv:1902.09914).

    features  Number of features of a node.
    outputs   Number of outputs.
    width     Size of the embedding of a node.
    nin       Number of network-in-network layers; 0 is the recursive network of arXiv:1702.00748
              with different weights for points and sums.
    widths    Dense layers after the root.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        width: Width = 50,
        nin: Depth = 2,
        widths: HiddenWidths = (50, 50),
    ) -> None:
        super().__init__()
        inside = (width,) * nin
        self.width = width
        self.point = dense(features, (width, *inside, *inside))
        self.node = dense(features, (width, *inside))
        self.join = dense(3 * width, (width, *inside))
        self.dense = perceptron(width, widths, outputs)

    def forward(
        self, features: Tensor, children: Tensor, levels: Tensor, lengths: Tensor
    ) -> Tensor:
        """Return (batch, outputs); a jet without nodes has an embedding of zeros.

        features  (nodes, feature).
        children  (nodes, 2) indices relative to the first node of the jet, −1 for a point.
        levels    (nodes,) depth below the root, which is the last node of each jet.
        lengths   (batch,) nodes of each jet.
        """
        jet = segment_ids(lengths, len(features))
        is_point = children[:, 0] < 0
        children = children + starts(lengths)[jet][:, None]  # indices in the batch
        if torch.compiler.is_exporting():
            embedded = self._embed_in_loop(features, children, levels, is_point)
            root = torch.where(lengths > 0, lengths.cumsum(0) - 1, len(features))
            state = torch.cat([embedded, embedded.new_zeros(1, self.width)])[root]
        else:
            tree = _sort_by_level(children, levels, is_point)
            state = features.new_zeros(len(lengths), self.width)
            if tree.sums:
                top = self._embed_by_level(features, tree)
                state = state.to(top.dtype).index_copy(0, jet[tree.order[: len(top)]], top)
        output: Tensor = self.dense(state)
        return output

    def _embed_by_level(self, features: Tensor, tree: _SortedNodes) -> Tensor:
        """Return the embeddings of the roots in the order of `tree`, (roots, width)."""
        points = torch.split(self.point(features[tree.points]), tree.leaves)
        own = torch.split(self.node(features[tree.inner]), tree.sums)
        below = points[-1]  # the lowest level has points only
        levels = list(zip(points, own, torch.split(tree.children, tree.sums), strict=True))
        for leaves, inputs, children in reversed(levels[:-1]):
            pair = below[children].flatten(1)  # (sums, 2 · width)
            below = torch.cat([self.join(torch.cat([pair, inputs], 1)), leaves])
        return below

    def _embed_in_loop(
        self, features: Tensor, children: Tensor, levels: Tensor, is_point: Tensor
    ) -> Tensor:
        """Return the embeddings (nodes, width) by a loop that can be exported.

        Every iteration computes all sums and selects those of its level.
        """
        own, children = self.node(features), children.clamp(min=0)

        def condition(level: Tensor, embedded: Tensor) -> Tensor:
            return level >= 0

        def embed_level(level: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
            pair = embedded[children].flatten(1)
            sums = self.join(torch.cat([pair, own], 1))
            selected = ((levels == level) & ~is_point)[:, None]
            return level - 1, torch.where(selected, sums, embedded)

        begin = torch.where(is_point[:, None], self.point(features), 0)
        lowest = torch.cat([levels, levels.new_zeros(1)]).max().long()
        loop: Any = while_loop
        _, embedded = loop(condition, embed_level, (lowest - 1, begin))
        return torch.as_tensor(embedded)


@dataclass
class _SortedNodes:
    """The nodes of a batch sorted by level from the roots down, sums before points in each level.

    order     (nodes,) node indices.
    inner     (sums,) indices of the sums.
    points    (points,) indices of the points.
    children  (sums, 2) indices of the children of the sums in the level below.
    sums      number of sums of each level.
    leaves    number of points of each level.
    """

    order: Tensor
    inner: Tensor
    points: Tensor
    children: Tensor
    sums: list[int]
    leaves: list[int]


def _sort_by_level(children: Tensor, levels: Tensor, is_point: Tensor) -> _SortedNodes:
    order = (2 * levels + is_point).argsort(stable=True)
    counts = torch.bincount(2 * levels + is_point).tolist()
    sums, leaves = counts[::2], counts[1::2]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    inner, points = order[~is_point[order]], order[is_point[order]]
    ends = torch.bincount(levels).cumsum(0)
    below = rank[children[inner]] - ends[levels[inner]][:, None]
    return _SortedNodes(order, inner, points, below, sums, leaves)
