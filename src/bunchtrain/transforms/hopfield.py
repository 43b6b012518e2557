"""Hopfield network of segments: mean-field annealing from all segments to tracks."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bunchtrain.parts.ranges import NUMBER, PointCount, Positive
from bunchtrain.transforms._clustering import Floats
from bunchtrain.transforms._segments import (
    Angle,
    Scatter,
    SegmentClustering,
    Segments,
    Span,
    Threshold,
    Weight,
)

#: Temperature of the mean field in units of the energy.
Temperature = Annotated[float, Field(ge=1e-3, le=1000), NUMBER]
#: Power of the cosine.
Exponent = Annotated[float, Field(ge=1, le=1e7), NUMBER]
#: Updates of all neurons.
Sweeps = Annotated[int, Field(ge=1, le=10_000), NUMBER]


class Hopfield(SegmentClustering):
    """Straight tracks of the neurons that are on, one for each segment, after annealing.

    E(V) = −½ Σ_ab T_ab V_a V_b + ½ α Σ_ab V_a V_b + β Σ_a V_a: the first sum is over segments that
    continue each other, T_ab = cosᵐ θ · 2 L/(r_a + r_b) with their lengths r and L the mean of
    all; the second over those that begin or end at the same hit. The mean field V_a =
    ½ (1 + tanh(−∂E/∂V_a / T)) is updated for all neurons at once, by half of the change, while the
    temperature T falls by equal factors.

    group       Prefix of the columns x, y, z and layer of the hits.
    layer       Suffix of the column of the layer.
    span        Largest difference of the layers of a segment.
    window      Largest difference of x/r and y/r of a segment.
    slope       Largest slope √(dx² + dy²)/dz of a segment.
    scatter     Largest angle of two segments in rad, or a list of it for passes over the hits that
                are left, the smallest first.
    short       Largest angle of a track of three hits in rad.
    exponent    m.
    alpha       α, cost of two segments at one hit.
    beta        β, cost of a segment.
    hot         Temperature of the first sweep.
    cold        That of the last.
    sweeps      Number of updates.
    threshold   Smallest V of a segment that is on.
    min_points  Smallest number of hits of a track.

    Networks of Denby (1988) and Peterson (1989) with the annealing of Stimpfl-Abele and Garrido
    (Comput. Phys. Commun. 64 (1991) 46), as in arXiv:2308.00619.
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
        exponent: Exponent = 1e4,
        alpha: Weight = 1.0,
        beta: Weight = 0.2,
        hot: Temperature = 1.0,
        cold: Temperature = 0.05,
        sweeps: Sweeps = 30,
        threshold: Threshold = 0.5,
        min_points: PointCount = 3,
    ) -> None:
        super().__init__(group, layer, span, window, slope, scatter, short, min_points)
        self.exponent, self.alpha, self.beta = exponent, alpha, beta
        self.temperatures = np.geomspace(hot, cold, sweeps)
        self.threshold = threshold

    def weigh(self, segments: Segments) -> Floats:
        """Return the weight of each joint, (joints,), 0 if one of its segments is off."""
        return segments.weights_of(self.anneal(segments), self.threshold)

    def anneal(self, segments: Segments) -> Floats:
        """Return V of each segment, (segments,)."""
        strength = self.strengths(segments)
        state = np.full(len(segments), 0.5)
        for temperature in self.temperatures:
            field = self.field(segments, strength, state)
            state = (state + 0.5 * (1 + np.tanh(field / temperature))) / 2
        return state

    def strengths(self, segments: Segments) -> Floats:
        """Return T_ab of each joint, (joints,)."""
        length = segments.length
        both = length[segments.inner] + length[segments.outer]
        mean = length.mean() if len(length) else 1.0
        cosine: Floats = np.cos(segments.angle) ** self.exponent
        return cosine * 2 * mean / both

    def field(self, segments: Segments, strength: Floats, state: Floats) -> Floats:
        """Return −∂E/∂V_a of each segment, (segments,)."""
        inner, outer, size = segments.inner, segments.outer, len(segments)
        drive = np.bincount(inner, strength * state[outer], minlength=size)
        drive += np.bincount(outer, strength * state[inner], minlength=size)
        rivals = -2 * state
        for end in (segments.first, segments.second):
            rivals = rivals + np.bincount(end, state)[end]
        found: Floats = drive - self.alpha * rivals - self.beta
        return found
