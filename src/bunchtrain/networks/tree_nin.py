"""TreeNiN: a recursive network on the clustering tree of the jet, with networks in the network.

From the points up to the root, every node k with features o_k gets an embedding h_k:

    u_k = NiN(ReLU(V o_k + c))
    a_k = u_k for a point, ReLU(W [h_left, h_right, u_k] + b) for a sum of two nodes
    h_k = NiN(a_k)

NiN is two layers h ← ReLU(M h + d); points and sums have V, c and M, d of their own. Dense layers
on the embedding of the root follow. arXiv:1702.00748 has the recursion, arXiv:1902.09914 the
networks in it; its 34 thousand parameters are those of the default sizes.

All nodes of a level of all trees of the batch are one matrix product, and the nodes of a level have
their children in the level below, so that no level copies another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop

from bunchtrain.networks.layers.dense import dense, perceptron
from bunchtrain.networks.layers.packing import segment_ids, starts


class TreeNiN(nn.Module):
    """Recursive network on the clustering tree, with networks in it (arXiv:1902.09914).

    Args:
        features: Number of features of a node.
        outputs: Number of outputs.
        width: Size of the embedding of a node.
        nin: Layers of a network in the network; 0 is the recursive network of arXiv:1702.00748
            with weights for points and sums.
        widths: Dense layers after the root.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        width: int = 50,
        nin: int = 2,
        widths: tuple[int, ...] = (50, 50),
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

        Args:
            features: (nodes, feature).
            children: (nodes, 2) counted from the first node of the jet, −1 for a point.
            levels: (nodes,) steps down from the root, the last node of each jet.
            lengths: (batch,) nodes of each jet.
        """
        jet = segment_ids(lengths, len(features))
        places = children + starts(lengths)[jet][:, None]  # (nodes, 2)
        is_point = children[:, 0] < 0
        if torch.compiler.is_exporting():
            embedded = self._all_at_once(features, places, levels, is_point)
            root = torch.where(lengths > 0, lengths.cumsum(0) - 1, len(features))
            state = torch.cat([embedded, embedded.new_zeros(1, self.width)])[root]
        else:
            tree = _order(places, levels, is_point)
            state = features.new_zeros(len(lengths), self.width)
            if tree.sums:
                top = self._upwards(features, tree)
                state = state.to(top.dtype).index_copy(0, jet[tree.order[: len(top)]], top)
        output: Tensor = self.dense(state)
        return output

    def _upwards(self, features: Tensor, tree: _Order) -> Tensor:
        """Return the embeddings of the roots in the order of `tree`, (roots, width)."""
        points = torch.split(self.point(features[tree.points]), tree.leaves)
        own = torch.split(self.node(features[tree.inner]), tree.sums)
        below = points[-1]  # the lowest level has points only
        levels = list(zip(points, own, torch.split(tree.places, tree.sums), strict=True))
        for leaves, mine, places in reversed(levels[:-1]):
            pair = below[places].flatten(1)  # (sums, 2 · width)
            below = torch.cat([self.join(torch.cat([pair, mine], 1)), leaves])
        return below

    def _all_at_once(
        self, features: Tensor, places: Tensor, levels: Tensor, is_point: Tensor
    ) -> Tensor:
        """Return the embeddings (nodes, width) by a loop that an exporter can follow.

        Every turn computes all sums and keeps those of its level.
        """
        own, places = self.node(features), places.clamp(min=0)

        def goes_on(level: Tensor, embedded: Tensor) -> Tensor:
            return level >= 0

        def one_level(level: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
            pair = embedded[places].flatten(1)
            made = self.join(torch.cat([pair, own], 1))
            now = ((levels == level) & ~is_point)[:, None]
            return level - 1, torch.where(now, made, embedded)

        begin = torch.where(is_point[:, None], self.point(features), 0)
        lowest = torch.cat([levels, levels.new_zeros(1)]).max().long()
        loop: Any = while_loop
        _, embedded = loop(goes_on, one_level, (lowest - 1, begin))
        return torch.as_tensor(embedded)


@dataclass
class _Order:
    """The nodes of a batch by level from the roots down, in each level the sums before the points.

    order   (nodes,) their numbers.
    inner   (sums,) those that are sums, points (points,) the others.
    places  (sums, 2) where the children of the sums are in the level below.
    sums    how many sums each level has; `leaves` how many points.
    """

    order: Tensor
    inner: Tensor
    points: Tensor
    places: Tensor
    sums: list[int]
    leaves: list[int]


def _order(children: Tensor, levels: Tensor, is_point: Tensor) -> _Order:
    order = (2 * levels + is_point).argsort(stable=True)
    counts = torch.bincount(2 * levels + is_point).tolist()
    sums, leaves = counts[::2], counts[1::2]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    inner, points = order[~is_point[order]], order[is_point[order]]
    ends = torch.bincount(levels).cumsum(0)
    places = rank[children[inner]] - ends[levels[inner]][:, None]
    return _Order(order, inner, points, places, sums, leaves)
