"""Clustering trees of jets, for recursive networks."""

from __future__ import annotations

from collections.abc import Collection

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError, nearest
from bunchtrain.parts.ranges import Events, PointCount
from bunchtrain.physics.clustering import Algorithm
from bunchtrain.physics.clustering_trees import ClusteringTrees, clustering_trees
from bunchtrain.physics.packed import MEMORY, Floats, sum_by_jet
from bunchtrain.representations._packed import MOMENTA, Normalise, PackedPoints
from bunchtrain.representations._representation import Representation, Size
from bunchtrain.representations.preprocessing.points import DERIVED, JET, Points
from bunchtrain.tables.expressions.expression import Expression

#: The seven features of TreeNiN (arXiv:1902.09914): |p|, η, φ, E, E / E_jet, pT and θ, where η and
#: φ are counted from the axis of the jet.
TREE_NIN = (
    "sqrt(pt**2 + pz**2)",
    "deta",
    "dphi",
    "energy",
    "energy / jet_energy",
    "pt",
    "arctan2(pt, pz)",
)


class ClusteringTree(Representation):
    """The kT or Cambridge/Aachen clustering tree of each jet, for recursive networks.

    `features` (nodes, feature), `children` (nodes, 2), `levels` (nodes,) and `lengths` (batch,),
    the 2 n − 1 nodes of a jet of n points, whose last is the root. `children` are indices
    relative to the first node of the jet, the child of larger pT first, −1 for a leaf; `levels` are
    depths below the root.

    arXiv:1702.00748, arXiv:1902.09914

    group       Prefix of the columns of the points.
    algorithm   Clustering algorithm, in the E-scheme.
    features    Expressions over the momenta of the nodes; their names are those of
                `preprocessing.points` that follow from a momentum and from that of the jet, the sum
                of the points.
    max_points  Largest number of points of a jet, the first in decreasing order.
    order       Expression that the points are truncated by.
    where       Condition that a point must fulfil, e.g. `pt > 0.1`.
    memory      Bound in bytes on the memory of the clustering.
    normalise   How the features are scaled.
    """

    normalised = ("features",)
    no_inverse = "the nodes of a tree have features, and not the columns of the points"

    def __init__(
        self,
        *,
        group: str = "constituent",
        algorithm: Algorithm = "kt",
        features: list[str] = list(TREE_NIN),  # noqa: B006 - never changed
        max_points: PointCount = 200,
        order: str = "pt",
        where: str | None = None,
        memory: Events = MEMORY,
        normalise: Normalise = "robust",
    ) -> None:
        self.points = PackedPoints(group, features, max_points, order, where=where)
        # the points are clustered before any feature is computed
        self.features, self.points.features = self.points.features, [Expression("pt")]
        self.algorithm, self.memory, self.normalise = algorithm, memory, normalise
        for expression in self.features:
            _check(expression)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        return self.points.columns(available)

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the number of features, and 2 children."""
        return {"features": len(self.features), "children": 2, "levels": (), "lengths": ()}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the features."""
        return {"features": [each.text for each in self.features]}

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return the packed nodes of a block of events; jets without points have none."""
        packed = self.points(events)
        momenta, lengths = packed["momenta"].astype(np.float64), packed["lengths"]
        finite = np.isfinite(momenta).all(1)
        momenta[~finite] = 0
        trees = clustering_trees(momenta, lengths, self.algorithm, self.memory)
        features = self._features(trees)
        features[np.repeat(sum_by_jet(np.logical_not(finite), lengths) > 0, trees.lengths)] = np.nan
        tree: dict[str, Array] = {
            "children": trees.children,
            "levels": trees.levels,
            "lengths": trees.lengths,
        }
        return {"features": features, **tree}

    def _features(self, trees: ClusteringTrees) -> Floats:
        """Return the features of the nodes (nodes, feature), the nodes as points of the root."""
        roots = np.zeros((len(trees.lengths), 4))
        filled = trees.lengths > 0
        roots[filled] = trees.momenta[(np.cumsum(trees.lengths) - 1)[filled]]
        nodes = {
            f"node_{name}": ak.unflatten(trees.momenta[:, i].astype(np.float32), trees.lengths)
            for i, name in enumerate(MOMENTA)
        }
        jets = {f"jet_{name}": roots[:, i] for i, name in enumerate(MOMENTA)}
        return Points(ak.zip({**nodes, **jets}, depth_limit=1), "node", "jet").table(self.features)


def _check(expression: Expression) -> None:
    """Raise StudyError for a name that is not defined for a node of a tree."""
    known = {*DERIVED, *JET}
    for name in sorted(expression.columns - known):
        raise StudyError(
            f"'{name}' in '{expression.text}' cannot be computed from the momentum of a tree's node"
            f"{nearest(name, known)}"
        )
