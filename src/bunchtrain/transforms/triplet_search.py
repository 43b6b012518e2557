"""Search by triplets: tracks from hits in three neighbouring layers on a straight line."""

from __future__ import annotations

import numpy as np

from bunchtrain.parts.ranges import PointCount, Positive
from bunchtrain.transforms._clustering import Floats
from bunchtrain.transforms._segments import (
    Angle,
    Scatter,
    SegmentClustering,
    Segments,
    Span,
)


class TripletSearch(SegmentClustering):
    """Straight tracks that come from near the z axis, without a trained model.

    Doublets are two hits in neighbouring layers whose azimuth differs by at most `window`; two
    doublets with a common hit form a triplet if the angle between them is at most `scatter`.
    Triplets that share a doublet are chained; the longest and straightest chains are the tracks,
    and their hits are not used again. Straight tracks are found in a first pass, and those that
    scatter among the hits that are left.

    group       Prefix of the columns x, y, z and layer of the hits.
    layer       Suffix of the column of the layer.
    span        Largest difference of the layers of a doublet.
    window      Largest difference of x/r and y/r of a doublet.
    slope       Largest slope √(dx² + dy²)/dz of a doublet.
    scatter     Largest angle of two segments in rad, or a list of it for passes over the hits that
                are left, the smallest first.
    short       Largest angle of a track of three hits in rad.
    min_points  Smallest number of hits of a track.

    After the search by triplet of LHCb, arXiv:2207.03936.
    """

    def __init__(
        self,
        *,
        group: str = "hit",
        layer: str = "module",
        span: Span = 3,
        window: Positive = 0.3,
        slope: Positive = 1.0,
        scatter: Scatter = (0.005, 0.02),
        short: Angle = 0.01,
        min_points: PointCount = 3,
    ) -> None:
        super().__init__(group, layer, span, window, slope, scatter, short, min_points)

    def weigh(self, segments: Segments) -> Floats:
        """Return the weight of each triplet, (joints,)."""
        return np.ones(len(segments.inner))
