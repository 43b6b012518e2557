"""Clustering trees of many jets, with packed nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.clustering import CACHE, Algorithm, Trees, bytes_each, cluster
from bunchtrain.physics.kinematics import rotate_about_beam, rotate_to_axis, transverse
from bunchtrain.physics.packed import (
    MEMORY,
    Floats,
    Ints,
    descending,
    jet_index,
    point_index,
    positions,
)


@dataclass
class ClusteringTrees:
    """The nodes of the trees, jet by jet; a jet of n points has 2 n − 1 of them, the root last.

    lengths   (jets,) number of nodes of each jet, 0 for a jet without points.
    momenta   (nodes, 4) as (E, px, py, pz) in GeV: first the points, then their sums.
    children  (nodes, 2) indices within the jet of the two nodes that were merged, larger pT
              first; −1 for a point.
    levels    (nodes,) depth below the root, which is 0.
    """

    lengths: Ints
    momenta: Floats
    children: NDArray[np.int32]
    levels: NDArray[np.int32]

    @classmethod
    def empty(cls, points: Ints) -> ClusteringTrees:
        """Return empty trees for jets with these numbers of points (jets,)."""
        lengths = np.maximum(2 * points - 1, 0)
        total = int(lengths.sum())
        children = np.full((total, 2), -1, dtype=np.int32)
        return cls(lengths, np.zeros((total, 4)), children, np.zeros(total, dtype=np.int32))

    def fill(self, rows: Ints, trees: Trees, angle: Floats) -> None:
        """Copy the trees of some jets, rotated back around the beam by their azimuths (rows,)."""
        lengths = self.lengths[rows]
        nodes, jet, node = point_index(self.lengths, rows), jet_index(lengths), positions(lengths)
        momenta = trees.nodes[jet, node]
        self.momenta[nodes] = rotate_about_beam(momenta, angle[jet])
        self.levels[nodes] = _levels(trees)[jet, node]
        inner = node >= trees.lengths[jet]
        jet, step = jet[inner], (node - trees.lengths[jet])[inner]
        children = trees.children[jet, step]
        pt = transverse(*np.moveaxis(trees.nodes[jet[:, None], children, 1:3], -1, 0))
        softer_first = pt[:, 0] < pt[:, 1]
        children[softer_first] = children[softer_first, ::-1]
        self.children[nodes[inner]] = children


def clustering_trees(
    momenta: Floats, lengths: Ints, algorithm: Algorithm = "kt", memory: float = MEMORY
) -> ClusteringTrees:
    """Return the clustering trees of packed momenta (points, 4) in GeV with `lengths` (jets,).

    kT (kt) or Cambridge/Aachen in the E-scheme (arXiv:0802.1189); `memory` is the bound in
    bytes on its temporary arrays.
    """
    found = ClusteringTrees.empty(lengths)
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        front, angle = rotate_to_axis(momenta[point_index(lengths, rows)], lengths[rows])
        found.fill(rows, cluster(front, lengths[rows], algorithm), angle)
    return found


def _levels(trees: Trees) -> Ints:
    """Return the depth of each node below the root: (jets, 2 n_max)."""
    levels = np.zeros(trees.nodes.shape[:2], dtype=np.int64)
    for step in range(trees.children.shape[1] - 2, -1, -1):
        count = int(np.searchsorted(-trees.lengths, -step - 2, side="right"))
        jets = np.arange(count)
        below = levels[jets, trees.lengths[:count] + step] + 1
        levels[jets[:, None], trees.children[:count, step]] = below[:, None]
    return levels
