"""DBSCAN: clusters of hits in dense regions, without a trained model (Ester et al. 1996)."""

from __future__ import annotations

import awkward as ak
import numpy as np

from bunchtrain.parts.ranges import PointCount, Positive
from bunchtrain.transforms._clustering import Ints, Predicted
from bunchtrain.transforms._hits import HitClustering, separate


class Dbscan(HitClustering):
    """Clusters of hits with enough energy around them, by DBSCAN of scikit-learn.

    A hit is a core if the hits up to `distance` from it, itself included, have at least the weight
    `core`; cores up to this distance from each other, and the hits around them, are a cluster.

    distance     Largest distance of neighbours.
    core         Energy around a core hit, or number of hits if `by_energy` is false.
    group        Prefix of the columns of the hits.
    coordinates  Their suffixes.
    scales       Length of each coordinate that counts as 1; all 1 if empty.
    energy       Suffix of the column of the energy.
    by_energy    Whether energies count, and not hits.
    min_points   Smallest number of hits of a cluster.

    Ester, Kriegel, Sander, Xu, KDD 1996.
    """

    def __init__(
        self,
        *,
        distance: Positive,
        core: Positive,
        group: str = "hit",
        coordinates: tuple[str, ...] = ("x", "y", "z"),
        scales: tuple[Positive, ...] = (),
        energy: str = "energy",
        by_energy: bool = True,
        min_points: PointCount = 1,
    ) -> None:
        super().__init__(group, coordinates, scales, energy, min_points)
        self.distance, self.core, self.by_energy = distance, core, by_energy

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the cluster of each hit, (hits,), −1 for none."""
        from sklearn.cluster import DBSCAN

        points, energy, event = self.read(events, counts)
        if not len(points):
            return np.zeros(0, np.int64)
        # The weight is compared with a whole number.
        weight = energy / self.core if self.by_energy else np.full(len(points), 1 / self.core)
        made = DBSCAN(eps=self.distance, min_samples=1, algorithm="kd_tree")
        labels = made.fit(separate(points, event, self.distance), sample_weight=weight).labels_
        return np.asarray(labels, np.int64)
