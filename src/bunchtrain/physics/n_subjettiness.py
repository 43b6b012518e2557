"""N-subjettiness: how well N axes describe a jet (arXiv:1011.2268, arXiv:1108.2701)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bunchtrain.physics.clustering import CACHE, bytes_each, exclusive_axes
from bunchtrain.physics.kinematics import azimuth, facing, is_narrow, rapidity, transverse, wrapped
from bunchtrain.physics.packed import (
    MEMORY,
    Floats,
    Ints,
    descending,
    point_numbers,
    sum_by_jet,
)

Axes = Literal["kt", "one_pass_kt"]
#: The axes stand still when they move by less than this on average, as in FastJet contrib.
ACCURACY = 1e-4
ATTEMPTS = 1000


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

    τ_N = Σ_i pT_i min_a ΔR_ia^β / Σ_i pT_i R₀^β, with the axes a of exclusive kT jets, moved to a
    local minimum of τ_N if `one_pass_kt`. `momenta` are (points, 4) as (E, px, py, pz) in GeV and
    `lengths` (jets,). A jet of N points or fewer has τ_N = 0.
    """
    wanted = tuple((number, beta) for number in n)
    return many_n_subjettiness(momenta, lengths, wanted, axes, radius, memory)


def phase_space_basis(bodies: int) -> tuple[tuple[int, float], ...]:
    """Return (N, β) of the 3M − 4 observables that span M-body phase space (arXiv:1704.08249).

    τ_N^(½), τ_N^(1) and τ_N^(2) for N ≤ M − 2, τ_{M−1}^(1) and τ_{M−1}^(2).
    """
    full = tuple((n, beta) for n in range(1, bodies - 1) for beta in (0.5, 1.0, 2.0))
    return *full, (bodies - 1, 1.0), (bodies - 1, 2.0)


def many_n_subjettiness(
    momenta: Floats,
    lengths: Ints,
    wanted: tuple[tuple[int, float], ...],
    axes: Axes = "one_pass_kt",
    radius: float = 0.8,
    memory: float = MEMORY,
) -> Floats:
    """Return τ_N^(β) of every jet for each wanted (N, β), clustered once: (jets, wanted)."""
    values = np.zeros((len(lengths), len(wanted)))
    numbers = tuple({number for number, _ in wanted})
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        packed, _ = facing(momenta[point_numbers(lengths, rows)], lengths[rows])
        seeds = exclusive_axes(packed, lengths[rows], numbers)
        points = _Points(packed)
        for column, (number, beta) in enumerate(wanted):
            full = int(np.count_nonzero(lengths[rows] > number))
            if full:
                some = points.first(int(lengths[rows[:full]].sum()))
                found = seeds[number][:full]
                if axes == "one_pass_kt":
                    found = _minimised(some, lengths[rows[:full]], found, beta)
                values[rows[:full], column] = _tau(some, lengths[rows[:full]], found, beta, radius)
    return values


class _Points:
    """pT, rapidity and azimuth of packed points."""

    def __init__(self, momenta: Floats) -> None:
        energy, px, py, pz = momenta.T
        self.pt = transverse(px, py)
        self.height = rapidity(energy, px, py, pz)
        self.angle = azimuth(px, py)
        self.narrow = is_narrow(self.angle)

    def first(self, count: int) -> _Points:
        return self.where(slice(count))

    def where(self, chosen: slice | np.ndarray) -> _Points:
        some = object.__new__(_Points)
        some.pt, some.height, some.angle = (
            values[chosen] for values in (self.pt, self.height, self.angle)
        )
        some.narrow = self.narrow
        return some

    def turn(self, axis: Floats) -> Floats:
        """Return φ − φ_axis for axes given for every point."""
        return self.angle - axis if self.narrow else wrapped(self.angle - axis)

    def angle_beside(self, axes: Floats, slot: Ints) -> Floats:
        """Return φ, whole turns added so that it is within π of the axis in this slot."""
        return self.angle if self.narrow else axes[slot] + wrapped(self.angle - axes[slot])

    def nearest(self, lengths: Ints, axes: Floats) -> tuple[Floats, Ints]:
        """Return ΔR² to the nearest axis of the own jet, and its number, (points,) each."""
        least, number = np.full(len(self.pt), np.inf), np.zeros(len(self.pt), dtype=np.int64)
        for axis in range(axes.shape[1]):
            rise = self.height - np.repeat(axes[:, axis, 0], lengths)
            turn = self.turn(np.repeat(axes[:, axis, 1], lengths))
            apart = rise * rise + turn * turn
            number[apart < least] = axis
            np.minimum(least, apart, out=least)
        return least, number


def _tau(points: _Points, lengths: Ints, axes: Floats, beta: float, radius: float) -> Floats:
    squared, _ = points.nearest(lengths, axes)
    scale = sum_by_jet(points.pt, lengths) * radius**beta
    return np.asarray(sum_by_jet(points.pt * squared ** (beta / 2), lengths) / scale)


def _minimised(points: _Points, lengths: Ints, axes: Floats, beta: float) -> Floats:
    """Return axes at a local minimum of τ, by weighted means as FastJet contrib takes them."""
    axes = axes.copy()
    moving = np.arange(len(lengths))
    for _ in range(ATTEMPTS):
        fresh = _weighted_means(points, lengths, axes[moving], beta)
        moved = fresh - axes[moving]
        moved[..., 1] = wrapped(moved[..., 1])
        axes[moving] = fresh
        still = np.hypot(moved[..., 0], moved[..., 1]).mean(1) > ACCURACY
        if not still.any():
            break
        points = points.where(np.repeat(still, lengths))
        moving, lengths = moving[still], lengths[still]
    return axes


def _weighted_means(points: _Points, lengths: Ints, axes: Floats, beta: float) -> Floats:
    """Return Σ w x / Σ w of the points nearest to each axis, with w = pT ΔR^(β − 2)."""
    squared, number = points.nearest(lengths, axes)
    jets, count, _ = axes.shape
    slot = np.repeat(np.arange(jets) * count, lengths) + number
    softened = squared + ACCURACY**2
    weight = points.pt / np.sqrt(softened) if beta == 1 else points.pt * softened ** (beta / 2 - 1)
    old = axes.reshape(-1, 2)
    total = np.bincount(slot, weight, len(old))
    beside = points.height, points.angle_beside(old[:, 1], slot)
    means = np.stack([np.bincount(slot, weight * value, len(old)) for value in beside], -1)
    held = total > 0  # an axis without points stays where it is
    means[held] = means[held] / total[held, None]
    means[~held] = old[~held]
    return np.asarray(means.reshape(axes.shape))
