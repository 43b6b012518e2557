"""Search by triplets: tracks from hits in three neighbouring layers on a straight line."""

from __future__ import annotations

from collections.abc import Collection

import awkward as ak
import numpy as np

from bunchtrain.parts.ranges import PointCount, Positive
from bunchtrain.representations.layered_graph import edges_of_layers
from bunchtrain.transforms._clustering import Clustering, Floats, Ints, Predicted
from bunchtrain.transforms.connected_components import best_links, components


class TripletSearch(Clustering):
    """Straight tracks that come from near the z axis, without a trained model.

    Doublets are two hits in neighbouring layers whose azimuth differs by at most `window`; two
    doublets with a common hit form a triplet if their slopes (dx/dz, dy/dz) differ by at most
    `scatter`. Each doublet is linked to its best successor and predecessor, through the fewest
    layers; the doublets that are linked form a track, and a hit of two tracks belongs to the longer
    one.

    group       Prefix of the columns x, y, z and layer of the hits.
    layer       Suffix of the column of the layer.
    span        Largest difference of the layers of a doublet.
    window      Largest difference of x/r and y/r of a doublet.
    slope       Largest slope of a doublet in x and in y.
    scatter     Largest difference of the slopes in a triplet.
    min_points  Smallest number of hits of a track.

    After the search by triplet of LHCb, arXiv:2207.03936.
    """

    def __init__(
        self,
        *,
        group: str = "hit",
        layer: str = "module",
        span: PointCount = 2,
        window: Positive = 0.1,
        slope: Positive = 1.0,
        scatter: Positive = 0.01,
        min_points: PointCount = 3,
    ) -> None:
        self.names = [f"{group}_{name}" for name in ("x", "y", "z", layer)]
        self.span, self.window, self.slope, self.scatter = span, window, slope, scatter
        self.least = min_points

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns of events that it reads; DataError names the nearest to a missing."""
        return self.require(self.names, available)

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the track of each hit, (hits,)."""
        x, y, z, layer = (
            ak.to_numpy(ak.flatten(events[name])).astype(np.float64) for name in self.names
        )
        radius = np.maximum(np.hypot(x, y), 1e-12)
        scaled = np.stack([x / radius, y / radius], 1) / self.window
        first, second = edges_of_layers(layer, scaled, counts, self.span)
        slopes = self._slopes(np.stack([x, y], 1), z, first, second)
        inside = (np.abs(slopes) <= self.slope).all(1)
        first, second, slopes = first[inside], second[inside], slopes[inside]
        links = self._links(first, second, slopes, layer)
        track = components(*links, len(first))
        return longest(first, second, track, len(x))

    @staticmethod
    def _slopes(place: Floats, z: Floats, first: Ints, second: Ints) -> Floats:
        """Return dx/dz and dy/dz of doublets, (doublets, 2)."""
        step = z[second] - z[first]
        with np.errstate(all="ignore"):
            found: Floats = (place[second] - place[first]) / step[:, None]
        return np.where(step[:, None] > 0, found, np.inf)

    def _links(self, first: Ints, second: Ints, slopes: Floats, layer: Floats) -> tuple[Ints, Ints]:
        """Return the pairs of doublets that follow each other, each at most once on each side."""
        order = np.argsort(first, kind="stable")
        start = np.searchsorted(first[order], second)
        number = np.searchsorted(first[order], second, side="right") - start
        inner = np.repeat(np.arange(len(first)), number)
        within = np.arange(len(inner)) - np.repeat(np.cumsum(number) - number, number)
        outer = order[np.repeat(start, number) + within]
        angle = np.hypot(*(slopes[outer] - slopes[inner]).T)
        # Of triplets with and without a missing layer those without come first.
        cost = angle + self.scatter * (layer[second[outer]] - layer[first[inner]])
        kept = best_links(inner, outer, -cost, np.flatnonzero(angle <= self.scatter))
        return inner[kept], outer[kept]


def longest(first: Ints, second: Ints, track: Ints, points: int) -> Ints:
    """Return the track of each hit, (hits,): of those of its doublets the one of most doublets.

    first, second  (doublets,) hits.
    track          (doublets,) index of the track.
    points         number of hits.
    """
    size = np.bincount(track)[track] if len(track) else track
    hit, both = np.concatenate([first, second]), np.concatenate([track, track])
    order = np.lexsort((both, np.concatenate([size, size])))  # the longest last
    order = order[np.concatenate([size, size])[order] > 1]  # a doublet alone is no track
    found = np.full(points, -1, np.int64)
    found[hit[order]] = both[order]
    return found
