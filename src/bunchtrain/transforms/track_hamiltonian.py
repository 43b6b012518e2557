"""Tracks by a linear solve: the minimum of a Hamiltonian of segments that continue each other."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csc_array, diags_array
from scipy.sparse.linalg import spsolve

from bunchtrain.errors import DataError
from bunchtrain.parts.ranges import PointCount, Positive
from bunchtrain.transforms._clustering import Floats, Ints
from bunchtrain.transforms._segments import (
    Angle,
    Scatter,
    SegmentClustering,
    Segments,
    Span,
    Threshold,
    Weight,
)


class TrackHamiltonian(SegmentClustering):
    """Straight tracks of the segments that are on in the minimum of a quadratic Hamiltonian.

    H(S) = −½ Σ_ab C_ab S_a S_b + ½ γ Σ_a S_a² + ½ δ Σ_a (S_a² − 2 S_a), where C_ab = 1 for two
    segments that continue each other with cos θ ≥ 1 − ε, else 0. Its minimum is the solution of
    ((γ + δ) I − C) S = δ 1, which a sparse solve gives for all events of a block at once. With
    γ = 2, δ = 1 a long straight track has S = 1, one segment alone 1/3, and the two of three hits
    1/2. The matrix is positive definite if no segment has more than two neighbours; each further
    one adds `branching` to its diagonal, which keeps it so and weakens crossings.

    group       Prefix of the columns x, y, z and layer of the hits.
    layer       Suffix of the column of the layer.
    span        Largest difference of the layers of a segment.
    window      Largest difference of x/r and y/r of a segment.
    slope       Largest slope √(dx² + dy²)/dz of a segment.
    scatter     Largest angle of two segments in rad, or a list of it for passes over the hits that
                are left, the smallest first.
    short       Largest angle of a track of three hits in rad.
    gamma       γ, cost of a segment.
    delta       δ, pull of each segment towards 1.
    branching   Cost of a segment for each neighbour beyond the second.
    threshold   Smallest S of a segment that is on.
    min_points  Smallest number of hits of a track.

    arXiv:2308.00619
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
        gamma: Weight = 2.0,
        delta: Positive = 1.0,
        branching: Weight = 1.0,
        threshold: Threshold = 0.4,
        min_points: PointCount = 3,
    ) -> None:
        super().__init__(group, layer, span, window, slope, scatter, short, min_points)
        self.gamma, self.delta, self.branching = gamma, delta, branching
        self.threshold = threshold

    def weigh(self, segments: Segments) -> Floats:
        """Return the weight of each joint, (joints,), 0 if one of its segments is off."""
        matrix = self.matrix(len(segments), segments.inner, segments.outer)
        return segments.weights_of(self.solve(matrix), self.threshold)

    def matrix(self, size: int, inner: Ints, outer: Ints) -> csc_array:
        """Return A = (γ + δ) I − C, (size, size), with the costs of branching on its diagonal.

        inner, outer  (joints,) segments.
        """
        ones = np.ones(2 * len(inner))
        pairs = np.concatenate([inner, outer]), np.concatenate([outer, inner])
        neighbours = np.bincount(pairs[0], minlength=size)
        further = np.maximum(neighbours - 2, 0)
        diagonal = self.gamma + self.delta + self.branching * further
        return csc_array(diags_array(diagonal) - coo_array((ones, pairs), shape=(size, size)))

    def solve(self, matrix: csc_array) -> Floats:
        """Return the S of each segment, (segments,).

        Raises DataError if the matrix is not positive definite, as H has no minimum then. The
        elements off the diagonal are not positive, so that it is if and only if all S are positive.
        """
        if not matrix.shape[0]:
            return np.zeros(0)
        pull = np.full(matrix.shape[0], self.delta)
        found = np.asarray(spsolve(matrix, pull, permc_spec="MMD_AT_PLUS_A"), np.float64)
        if not (found > 0).all():  # NaN is not
            raise DataError(
                "transform 'track_hamiltonian': the Hamiltonian has no minimum, as segments have "
                f"more neighbours than gamma + delta = {self.gamma + self.delta:g} allows; raise "
                "'gamma' or 'branching', or give a smaller 'scatter'"
            )
        return found
