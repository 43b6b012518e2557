"""N-subjettiness: how well N axes describe a jet (arXiv:1011.2268, arXiv:1108.2701)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bunchtrain.physics.clustering import CACHE, bytes_each, cluster
from bunchtrain.physics.kinematics import azimuth, rapidity, transverse, wrapped
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
    values = np.zeros((len(lengths), len(n)))
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        packed = momenta[point_numbers(lengths, rows)]
        trees = cluster(packed, lengths[rows], kt=True, left=n)
        points = _Points(packed)
        for column, number in enumerate(n):
            full = int(np.count_nonzero(lengths[rows] > number))
            if full:
                some = points.first(int(lengths[rows[:full]].sum()))
                found = trees.axes[number][:full]
                if axes == "one_pass_kt":
                    found = _minimised(some, lengths[rows[:full]], found, beta)
                values[rows[:full], column] = _tau(some, lengths[rows[:full]], found, beta, radius)
    return values


class _Points:
    """pT, rapidity and azimuth of packed points."""

    def __init__(self, momenta: Floats) -> None:
        energy, px, py, pz = momenta.astype(np.float64).T
        self.pt = transverse(px, py)
        self.height = rapidity(energy, px, py, pz)
        self.angle = azimuth(px, py)

    def first(self, count: int) -> _Points:
        return self.where(slice(count))

    def where(self, chosen: slice | np.ndarray) -> _Points:
        some = object.__new__(_Points)
        some.pt, some.height, some.angle = (
            values[chosen] for values in (self.pt, self.height, self.angle)
        )
        return some

    def nearest(self, lengths: Ints, axes: Floats) -> tuple[Floats, Ints]:
        """Return ΔR² to the nearest axis of the own jet, and its number, (points,) each."""
        least, number = np.full(len(self.pt), np.inf), np.zeros(len(self.pt), dtype=np.int64)
        for axis in range(axes.shape[1]):
            rise = self.height - np.repeat(axes[:, axis, 0], lengths)
            turn = np.abs(self.angle - np.repeat(axes[:, axis, 1], lengths))
            np.minimum(turn, 2 * np.pi - turn, out=turn)
            apart = rise * rise + turn * turn
            number[apart < least] = axis
            np.minimum(least, apart, out=least)
        return least, number


def _tau(points: _Points, lengths: Ints, axes: Floats, beta: float, radius: float) -> Floats:
    squared, _ = points.nearest(lengths, axes)
    scale = sum_by_jet(points.pt, lengths) * radius**beta
    return sum_by_jet(points.pt * squared ** (beta / 2), lengths) / scale


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
    weight = points.pt * (squared + ACCURACY**2) ** (beta / 2 - 1)
    old = axes.reshape(-1, 2)
    # means of differences to the old axis, so that the azimuth needs no special case
    rise = points.height - old[slot, 0]
    turn = wrapped(points.angle - old[slot, 1])
    total = np.bincount(slot, weight, jets * count)
    moved = [np.bincount(slot, weight * value, jets * count) for value in (rise, turn)]
    safe = np.where(total > 0, total, 1)
    return np.asarray((old + np.stack(moved, -1) / safe[:, None]).reshape(axes.shape))
