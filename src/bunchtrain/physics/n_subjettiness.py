"""N-subjettiness: spread of the momentum around N axes (arXiv:1011.2268, arXiv:1108.2701)."""

from __future__ import annotations

from copy import copy
from importlib.util import find_spec
from typing import Literal

import numpy as np

from bunchtrain.physics.clustering import CACHE, bytes_each, exclusive_axes
from bunchtrain.physics.kinematics import (
    azimuth,
    is_narrow,
    rapidity,
    rotate_to_axis,
    transverse,
    wrap_angle,
)
from bunchtrain.physics.packed import MEMORY, Floats, Ints, descending, point_index, sum_by_jet

Axes = Literal["kt", "one_pass_kt"]
#: The axes have converged if they move by less than this on average, as in FastJet contrib.
ACCURACY = 1e-4
MAX_ITERATIONS = 1000
#: Compiled loops, where numba is installed, from this number of jets: loading them takes 0.5 s.
COMPILED_FROM = 2000


def n_subjettiness(
    momenta: Floats,
    lengths: Ints,
    n: tuple[int, ...] = (1, 2, 3, 4),
    beta: float = 1.0,
    axes: Axes = "one_pass_kt",
    radius: float = 0.8,
    memory: float = MEMORY,
) -> Floats:
    """Return τ_N of every jet for each N: (jets, len(n)).

    τ_N = Σ_i pT_i min_a ΔR_ia^β / Σ_i pT_i R₀^β, with the axes a of exclusive kT jets, iterated
    to a local minimum of τ_N with `one_pass_kt`. `momenta` are (points, 4) as (E, px, py, pz) in
    GeV and `lengths` (jets,). A jet of N points or fewer has τ_N = 0.
    """
    pairs = tuple((axis_count, beta) for axis_count in n)
    return many_n_subjettiness(momenta, lengths, pairs, axes, radius, memory)


def phase_space_basis(bodies: int) -> tuple[tuple[int, float], ...]:
    """Return (N, β) of the 3M − 4 observables that span M-body phase space (arXiv:1704.08249).

    τ_N^(½), τ_N^(1) and τ_N^(2) for N ≤ M − 2, τ_{M−1}^(1) and τ_{M−1}^(2).
    """
    full = tuple((n, beta) for n in range(1, bodies - 1) for beta in (0.5, 1.0, 2.0))
    return *full, (bodies - 1, 1.0), (bodies - 1, 2.0)


def many_n_subjettiness(
    momenta: Floats,
    lengths: Ints,
    pairs: tuple[tuple[int, float], ...],
    axes: Axes = "one_pass_kt",
    radius: float = 0.8,
    memory: float = MEMORY,
) -> Floats:
    """Return τ_N^(β) of every jet for each pair (N, β), clustered once: (jets, pairs)."""
    values = np.zeros((len(lengths), len(pairs)))
    if len(lengths) >= COMPILED_FROM and find_spec("numba"):
        return _in_compiled_loops(momenta, lengths, pairs, axes, radius, memory)
    counts = tuple({count for count, _ in pairs})
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        packed, _ = rotate_to_axis(momenta[point_index(lengths, rows)], lengths[rows])
        seeds = exclusive_axes(packed, lengths[rows], counts)
        points = _Points(packed)
        for column, (count, beta) in enumerate(pairs):
            full = rows[: int(np.count_nonzero(lengths[rows] > count))]
            if len(full):
                sizes = lengths[full]
                selected = points.take(slice(int(sizes.sum())))
                found = seeds[count][: len(full)]
                if axes == "one_pass_kt":
                    found = _minimise(selected, sizes, found, beta)
                values[full, column] = _tau(selected, sizes, found, beta, radius)
    return values


def _in_compiled_loops(
    momenta: Floats,
    lengths: Ints,
    pairs: tuple[tuple[int, float], ...],
    axes: Axes,
    radius: float,
    memory: float,
) -> Floats:
    """Return the same as `many_n_subjettiness`."""
    from bunchtrain.physics.compiled_subjets import subjettiness

    values = np.zeros((len(lengths), len(pairs)))
    steps = MAX_ITERATIONS if axes == "one_pass_kt" else 0
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        packed, _ = rotate_to_axis(momenta[point_index(lengths, rows)], lengths[rows])
        points = _Points(packed)
        plane = np.stack([points.pt, points.y, points.phi])
        values[rows] = subjettiness(packed, plane, lengths[rows], pairs, steps, ACCURACY)
    return values / radius ** np.array([beta for _, beta in pairs])


class _Points:
    """pT, rapidity and azimuth of packed points."""

    def __init__(self, momenta: Floats) -> None:
        energy, px, py, pz = momenta.T
        self.pt = transverse(px, py)
        self.y = rapidity(energy, px, py, pz)
        self.phi = azimuth(px, py)
        self.narrow = is_narrow(self.phi)

    def take(self, rows: slice | np.ndarray) -> _Points:
        selected = copy(self)
        selected.pt, selected.y, selected.phi = self.pt[rows], self.y[rows], self.phi[rows]
        return selected

    def delta_phi(self, axis: Floats) -> Floats:
        """Return φ − φ_axis for one axis per point."""
        return self.phi - axis if self.narrow else wrap_angle(self.phi - axis)

    def unwrap_angle(self, axes: Floats, slot: Ints) -> Floats:
        """Return φ + 2πk within π of the axis in this slot."""
        return self.phi if self.narrow else axes[slot] + wrap_angle(self.phi - axes[slot])

    def nearest(self, lengths: Ints, axes: Floats) -> tuple[Floats, Ints]:
        """Return ΔR² to the nearest axis of the jet, and the index of the axis, (points,) each."""
        least, index = np.full(len(self.pt), np.inf), np.zeros(len(self.pt), dtype=np.int64)
        for axis in range(axes.shape[1]):
            delta_y = self.y - np.repeat(axes[:, axis, 0], lengths)
            delta_phi = self.delta_phi(np.repeat(axes[:, axis, 1], lengths))
            squared = delta_y * delta_y + delta_phi * delta_phi
            index[squared < least] = axis
            np.minimum(least, squared, out=least)
        return least, index


def _tau(points: _Points, lengths: Ints, axes: Floats, beta: float, radius: float) -> Floats:
    squared, _ = points.nearest(lengths, axes)
    scale = sum_by_jet(points.pt, lengths) * radius**beta
    return np.asarray(sum_by_jet(points.pt * squared ** (beta / 2), lengths) / scale)


def _minimise(points: _Points, lengths: Ints, axes: Floats, beta: float) -> Floats:
    """Return axes at a local minimum of τ, by iterated weighted means as in FastJet contrib."""
    axes = axes.copy()
    moving = np.arange(len(lengths))
    for _ in range(MAX_ITERATIONS):
        means = _weighted_means(points, lengths, axes[moving], beta)
        change = means - axes[moving]
        change[..., 1] = wrap_angle(change[..., 1])
        axes[moving] = means
        is_moving = np.hypot(change[..., 0], change[..., 1]).mean(1) > ACCURACY
        if not is_moving.any():
            break
        points = points.take(np.repeat(is_moving, lengths))
        moving, lengths = moving[is_moving], lengths[is_moving]
    return axes


def _weighted_means(points: _Points, lengths: Ints, axes: Floats, beta: float) -> Floats:
    """Return Σ w x / Σ w of the points nearest to each axis, with w = pT ΔR^(β − 2)."""
    squared, index = points.nearest(lengths, axes)
    jets, count, _ = axes.shape
    slot = np.repeat(np.arange(jets) * count, lengths) + index
    softened = squared + ACCURACY**2
    weight = points.pt / np.sqrt(softened) if beta == 1 else points.pt * softened ** (beta / 2 - 1)
    old = axes.reshape(-1, 2)
    total = np.bincount(slot, weight, len(old))
    values = points.y, points.unwrap_angle(old[:, 1], slot)
    means = np.stack([np.bincount(slot, weight * value, len(old)) for value in values], -1)
    has_points = total > 0  # an axis without points does not move
    means[has_points] = means[has_points] / total[has_points, None]
    means[~has_points] = old[~has_points]
    return np.asarray(means.reshape(axes.shape))
