"""The clustering trees of many jets with their nodes packed, jet after jet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.clustering import CACHE, Algorithm, Trees, bytes_each, cluster
from bunchtrain.physics.kinematics import facing, transverse, turned
from bunchtrain.physics.packed import (
    MEMORY,
    Floats,
    Ints,
    descending,
    jet_numbers,
    point_numbers,
    positions,
)


@dataclass
class ClusteringTrees:
    """The nodes of the trees, jet after jet; a jet of n points has 2 n − 1 of them, the root last.

    lengths   (jets,) nodes of each jet, 0 of one without points.
    momenta   (nodes, 4) as (E, px, py, pz) in GeV: first the points, then their sums.
    children  (nodes, 2) what a node is the sum of, that of more pT first, counted from the first
              node of the jet; −1 for a point.
    levels    (nodes,) steps down from the root, which is 0.
    """

    lengths: Ints
    momenta: Floats
    children: NDArray[np.int32]
    levels: NDArray[np.int32]

    @classmethod
    def empty(cls, points: Ints) -> ClusteringTrees:
        """Return the trees of jets of so many points, to be filled in."""
        lengths = np.maximum(2 * points - 1, 0)
        total = int(lengths.sum())
        children = np.full((total, 2), -1, dtype=np.int32)
        return cls(lengths, np.zeros((total, 4)), children, np.zeros(total, dtype=np.int32))

    def fill(self, rows: Ints, trees: Trees, angle: Floats) -> None:
        """Take the trees of some jets, turned back around the beam by their azimuths (rows,)."""
        lengths = self.lengths[rows]
        places, jet, node = (
            point_numbers(self.lengths, rows),
            jet_numbers(lengths),
            positions(lengths),
        )
        momenta = trees.nodes[jet, node]
        self.momenta[places] = turned(momenta, angle[jet])
        self.levels[places] = _levels(trees)[jet, node]
        inner = node >= trees.lengths[jet]
        jet, step = jet[inner], (node - trees.lengths[jet])[inner]
        children = trees.children[jet, step]
        pt = transverse(*np.moveaxis(trees.nodes[jet[:, None], children, 1:3], -1, 0))
        softer_first = pt[:, 0] < pt[:, 1]
        children[softer_first] = children[softer_first, ::-1]
        self.children[places[inner]] = children


def clustering_trees(
    momenta: Floats, lengths: Ints, algorithm: Algorithm = "kt", memory: float = MEMORY
) -> ClusteringTrees:
    """Return the clustering trees of packed momenta (points, 4) in GeV with `lengths` (jets,).

    kT (kt) or Cambridge/Aachen in the E-scheme (arXiv:0802.1189); `memory` bounds in bytes what
    the clustering takes at once.
    """
    found = ClusteringTrees.empty(lengths)
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        front, angle = facing(momenta[point_numbers(lengths, rows)], lengths[rows])
        found.fill(rows, cluster(front, lengths[rows], algorithm), angle)
    return found


def _levels(trees: Trees) -> Ints:
    """Return the steps from the root down to each node: (jets, 2 n_max)."""
    levels = np.zeros(trees.nodes.shape[:2], dtype=np.int64)
    for step in range(trees.children.shape[1] - 2, -1, -1):
        count = int(np.searchsorted(-trees.lengths, -step - 2, side="right"))
        jets = np.arange(count)
        below = levels[jets, trees.lengths[:count] + step] + 1
        levels[jets[:, None], trees.children[:count, step]] = below[:, None]
    return levels
