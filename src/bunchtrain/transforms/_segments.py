"""Base of transforms that make tracks of segments between the hits of neighbouring layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.parts.ranges import NUMBER
from bunchtrain.physics.segments import directions, straight_joints
from bunchtrain.representations.layered_graph import edges_of_layers
from bunchtrain.transforms._chains import chains
from bunchtrain.transforms._clustering import Clustering, Floats, Ints, Predicted

#: Angle between two segments in rad.
Angle = Annotated[float, Field(gt=0, le=1.5), NUMBER]
Scatter = Angle | Annotated[tuple[Angle, ...], Field(min_length=1, max_length=10)]
#: Largest difference of the layers of a segment.
Span = Annotated[int, Field(ge=1, le=100), NUMBER]
#: Weight of a term of an energy.
Weight = Annotated[float, Field(ge=0, le=1000), NUMBER]
#: Segments are off below and on above.
Threshold = Annotated[float, Field(gt=0, lt=1), NUMBER]


@dataclass(frozen=True)
class Segments:
    """Segments with their joints, the pairs of which one continues the other.

    first, second  (segments,) hits; the layer of the second is higher.
    length         (segments,) in the unit of the coordinates.
    inner, outer   (joints,) segments; the second hit of the inner is the first of the outer.
    angle          (joints,) between both in rad.
    """

    first: Ints
    second: Ints
    length: Floats
    inner: Ints
    outer: Ints
    angle: Floats

    def __len__(self) -> int:
        return len(self.first)

    def weights_of(self, state: Floats, threshold: float) -> Floats:
        """Return the weight of each joint, (joints,): the mean state of two segments that are on.

        state      (segments,).
        threshold  smallest state of a segment that is on; the weight of other joints is 0.
        """
        ends = np.minimum(state[self.inner], state[self.outer])
        mean = (state[self.inner] + state[self.outer]) / 2
        return np.where(ends >= threshold, mean, 0.0)


class SegmentClustering(Clustering):
    """Tracks are chains of segments that continue each other and have no hit in common.

    Chains with the largest sum of the weights of their joints come first; a hit of one is not used
    again. The weights fall by 90 % up to the largest angle.

    group    prefix of the columns x, y, z and layer of the hits.
    layer    suffix of the column of the layer.
    span     largest difference of the layers of a segment.
    window   largest difference of x/r and y/r of its hits, i.e. of their azimuth.
    slope    largest √(dx² + dy²)/dz.
    scatter  largest angle of a joint in rad, or that in each pass over the hits that are left.
    short    largest angle of a track of three hits in rad.
    least    smallest number of hits of a track.
    """

    def __init__(
        self,
        group: str,
        layer: str,
        span: int,
        window: float,
        slope: float,
        scatter: float | tuple[float, ...],
        short: float,
        least: int,
    ) -> None:
        self.names = [f"{group}_{name}" for name in ("x", "y", "z", layer)]
        self.span, self.window, self.slope, self.short = span, window, slope, short
        self.scatter = scatter if isinstance(scatter, tuple) else (scatter,)
        self.least = least

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns of events that it reads; DataError names the nearest to a missing."""
        return self.require(self.names, available)

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the track of each hit, (hits,)."""
        x, y, z, layer = (
            ak.to_numpy(ak.flatten(events[name])).astype(np.float64) for name in self.names
        )
        place = np.stack([x, y, z], 1)
        place[~np.isfinite(place).all(1)] = np.nan
        found = np.full(len(x), -1, np.int64)
        for scatter in self.scatter:
            track = self.search(np.where(found[:, None] < 0, place, np.nan), layer, counts, scatter)
            found = np.where(track >= 0, track + 1 + found.max(initial=-1), found)
        return found

    def search(self, place: Floats, layer: Floats, counts: Ints, scatter: float) -> Ints:
        """Return the track of each hit in one pass, (hits,), −1 for none; places of NaN have none.

        scatter  largest angle of a joint.
        """
        segments = self.build(place, layer, counts, scatter)
        weight = self.weigh(segments) * (1 - 0.9 * segments.angle / scatter)
        ends = segments.first, segments.second, segments.inner, segments.outer
        track = chains(*ends, weight, layer)
        size = np.bincount(track + 1)[track + 1]
        track[size < self.least] = -1
        short = np.flatnonzero((track >= 0) & (size == 3))
        triplets = short[np.lexsort((layer[short], track[short]))].reshape(-1, 3)
        first, second = (directions(place, triplets[:, k], triplets[:, k + 1]) for k in (0, 1))
        bent = np.linalg.norm(second - first, axis=1) > 2 * np.sin(self.short / 2)
        track[triplets[bent]] = -1
        return track

    def build(self, place: Floats, layer: Floats, counts: Ints, scatter: float) -> Segments:
        """Return the segments of events that have a joint.

        place    (hits, 3).
        layer    (hits,).
        counts   (events,) hits of each event.
        scatter  largest angle of a joint.
        """
        radius = np.maximum(np.hypot(place[:, 0], place[:, 1]), 1e-12)
        azimuth = place[:, :2] / radius[:, None] / self.window
        azimuth[~np.isfinite(place[:, 2])] = np.nan
        first, second = edges_of_layers(layer, azimuth, counts, self.span)
        step = place[second] - place[first]
        kept = np.hypot(step[:, 0], step[:, 1]) <= self.slope * step[:, 2]
        first, second = first[kept], second[kept]
        direction = directions(place, first, second)
        inner, outer, angle = straight_joints(direction, first, second, scatter)
        used, ends = np.unique(np.concatenate([inner, outer]), return_inverse=True)
        inner, outer = ends[: len(inner)], ends[len(inner) :]
        length: Floats = np.linalg.norm(step[kept][used], axis=1)
        return Segments(first[used], second[used], length, inner, outer, angle.astype(np.float64))

    @abstractmethod
    def weigh(self, segments: Segments) -> Floats:
        """Return the weight of each joint, (joints,); those of 0 or less are left out."""
