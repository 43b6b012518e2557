"""Tracks of vertices from the predicted density of vertices in bins along the beam.

Bins above a threshold belong to the local maximum that a path of rising density leads to. Such a
peak is a vertex if its integral, the expected number of vertices in it, is large enough; its place
is the mean of its bins, and each track goes to its most probable vertex (arXiv:2007.01023).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.parts.ranges import NUMBER, PointCount, Positive, UnitFraction
from bunchtrain.targets import Target
from bunchtrain.transforms._clustering import Floats, Ints, Predicted
from bunchtrain.transforms._track_vertices import TrackVertices, associate
from bunchtrain.transforms.clue import roots

Integral = Annotated[float, Field(ge=0, le=10), NUMBER]


class VertexPeaks(TrackVertices):
    """Tracks of the vertices at peaks of a predicted density (PV-Finder, arXiv:2007.01023).

    target      Target of bins with one value, the expected number of vertices in each; the only
                one with values if unset.
    threshold   Smallest number of vertices in a bin of a peak.
    integral    Smallest number of vertices in a peak.
    cut         Largest distance of a track to its vertex in standard deviations.
    resolution  Standard deviation of the place of a peak in mm.
    group       Prefix of the columns d0, z0 and covariance of the tracks.
    bins        Column of the middle of the bins in mm.
    min_points  Smallest number of tracks of a vertex.
    """

    reads = "point"

    def __init__(
        self,
        *,
        target: str | None = None,
        threshold: UnitFraction = 0.02,
        integral: Integral = 0.4,
        cut: Positive = 4.0,
        resolution: Positive = 0.1,
        group: str = "track",
        bins: str = "bin_z",
        min_points: PointCount = 2,
    ) -> None:
        super().__init__(group, min_points)
        self.target, self.threshold, self.integral, self.cut = target, threshold, integral, cut
        self.resolution, self.bins = resolution, bins

    def needs(self) -> list[str]:
        """Return the columns of events that it reads beside predictions."""
        return [*super().needs(), self.bins]

    def read_target(self, targets: Mapping[str, Target]) -> Target:
        """Return the target of bins that it reads.

        Raises StudyError, naming the nearest, if there is none with one value.
        """
        known = {n: t for n, t in targets.items() if t.axis == "point" and len(t.values) == 1}
        chosen = self.target or (next(iter(known)) if len(known) == 1 else None)
        if chosen not in known:
            which = f"target '{chosen}'" if chosen else "the option 'target', one"
            raise StudyError(
                f"transform '{self.name}' needs {which} of bins with one value"
                f"{nearest(chosen or '', known)}"
            )
        return known[chosen]

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the vertex of each track, (tracks,), −1 for none."""
        assert isinstance(predicted, Mapping)
        density, tracks = next(iter(predicted.values())), self.read(events)
        middle = self._middles(events, counts)
        event = np.repeat(np.arange(len(counts)), counts)
        place, integral = find_peaks(np.asarray(density, np.float64), middle, event, self.threshold)
        kept = integral >= self.integral
        place, integral = place[kept], integral[kept]
        of = np.floor(place / _WIDE).astype(np.int64)
        sigma = np.full(len(place), self.resolution)
        return associate(tracks, of, place - (of + 0.5) * _WIDE, sigma, integral, self.cut)

    def _middles(self, events: ak.Array, counts: Ints) -> Floats:
        """Return the middles of the bins, (bins,); DataError for other lists or no numbers."""
        lists = events[self.bins]
        middle = np.asarray(ak.flatten(lists), np.float64)
        if (
            not np.array_equal(ak.to_numpy(ak.num(lists)), counts)
            or not (np.abs(middle) < _WIDE / 2).all()
        ):
            raise DataError(
                f"transform 'vertex_peaks': '{self.bins}' must have the middle in mm, below 50 m, "
                "of each bin that the model predicts; name the column of these as 'bins'"
            )
        return middle


#: Events lie side by side on one axis, so that a place is one number.
_WIDE = 1e5


def find_peaks(
    density: Floats, middle: Floats, event: Ints, threshold: float
) -> tuple[Floats, Floats]:
    """Return the places of peaks and their integrals, (peaks,) each, in rising order.

    A place is (event + ½) · 1e5 mm + z. Of equal neighbours the left one is higher.

    density    (bins,) vertices in each bin, NaN without a prediction.
    middle     (bins,) z of each in mm.
    event      (bins,) rising.
    threshold  smallest density of a bin.
    """
    value = np.where(density >= threshold, density, -np.inf)
    bins = np.arange(len(value))
    left, right = np.roll(value, 1), np.roll(value, -1)
    is_first, is_last = np.ones(len(value), bool), np.ones(len(value), bool)
    is_first[1:] = is_last[:-1] = event[1:] != event[:-1]
    left[is_first], right[is_last] = -np.inf, -np.inf
    parent = np.where((left >= value) & (left >= right), bins - 1, bins)
    parent = np.where((right > value) & (right > left), bins + 1, parent)
    above = np.isfinite(value)
    parent = np.where(above, parent, bins)
    top = roots(parent, above)
    peak, index = np.unique(top[above], return_inverse=True)
    integral = np.asarray(np.bincount(index, density[above], len(peak)), np.float64)
    moment = np.bincount(index, density[above] * middle[above], len(peak))
    return (event[peak] + 0.5) * _WIDE + moment / np.maximum(integral, 1e-300), integral
