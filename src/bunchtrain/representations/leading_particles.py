"""Leading particles of an event as one table row, for dense networks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.parts.ranges import PointCount
from bunchtrain.representations._packed import Normalise, PackedPoints
from bunchtrain.representations._representation import Representation, Size
from bunchtrain.representations.preprocessing.image_steps import align_to_leading
from bunchtrain.representations.preprocessing.points import Points

#: Features of an absent point after normalisation and its inverse are smaller.
ABSENT = 1e-5


class LeadingParticles(Representation):
    """Features of the first n points in decreasing order, concatenated; 0 where absent.

    With `align` and the features pt, deta and dphi they are the inputs of TopoDNN.

    arXiv:1704.02124

    group      Prefix of the columns of the points.
    features   Expressions over the points; their names are those of `preprocessing.points`.
    n          Number of points.
    order      Expression that the points are sorted by, in decreasing order.
    jet        Prefix of the columns of the jet's momentum; it is the sum of the points if unset.
    where      Condition that a point must fulfil, e.g. `pt > 0.1`.
    align      Whether `deta` and `dphi` are relative to the hardest point, rotated so that the
               second is along −`dphi`, and mirrored so that the side of positive `deta` has more
               pT.
    normalise  How the features are scaled.
    """

    normalised = ("table",)

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = ["pt / jet_pt", "deta", "dphi"],  # noqa: B006 - never changed
        n: PointCount = 30,
        order: str = "pt",
        jet: str | None = None,
        where: str | None = None,
        align: bool = False,
        normalise: Normalise = "standard",
    ) -> None:
        self.points = _Ordered(group, features, n, order, jet, where)
        self.points.align = align
        self.normalise = normalise

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        return self.points.columns(available)

    @property
    def sizes(self) -> dict[str, Size]:
        """Return n times the number of features."""
        return {"table": self.points.limit * len(self.points.features)}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the features with the index of the point, e.g. `pt [0]`."""
        features = self.points.names["features"]
        indices = range(self.points.limit)
        return {"table": [f"{feature} [{index}]" for index in indices for feature in features]}

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `table` (batch, n × features)."""
        packed = self.points(events)
        lengths, features = packed["lengths"], packed["features"]
        present = np.arange(self.points.limit) < lengths[:, None]
        table = np.zeros((*present.shape, features.shape[1]), features.dtype)
        table[present] = features
        return {"table": table.reshape(len(table), self.points.limit * features.shape[1])}

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return lists of the features of the leading points, `constituent_deta`.

        An event ends with its last point whose features are not all 0, to 10⁻⁵.
        """
        names = self.points.names["features"]
        table = tensors["table"].reshape(-1, self.points.limit, len(names))
        used = (np.abs(table) > ABSENT).any(2)  # (batch, point)
        lengths = np.where(used, np.arange(1, self.points.limit + 1), 0).max(1)
        present = np.arange(self.points.limit) < lengths[:, None]
        columns = {
            f"{self.points.group}_{name}": ak.unflatten(table[present][:, k], lengths)
            for k, name in enumerate(names)
        }
        return ak.zip(columns, depth_limit=1)


class _Ordered(PackedPoints):
    is_ordered = True
    align = False

    def points(self, events: ak.Array) -> Points:
        points = super().points(events)
        if self.align:
            plane = align_to_leading(points["deta"], points["dphi"], points["pt"], points.lengths)
            for name, values in zip(("deta", "dphi"), plane, strict=True):
                points.replace(name, values)
        return points
