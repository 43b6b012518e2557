"""N-subjettiness jet by jet in compiled loops (`pip install 'bunchtrain[compiled]'`).

The same clustering, iteration and order of sums as in `n_subjettiness`, without temporary arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bunchtrain.physics.kinematics import ALONG_BEAM
from bunchtrain.physics.packed import Floats, Ints, starts

if TYPE_CHECKING:
    Function = TypeVar("Function", bound=Callable[..., Any])

    def compiled(function: Function) -> Function:
        """Compile at the first call, and keep the result in a file."""
        ...
else:
    try:
        from numba import njit

        compiled = njit(cache=True)
    except ImportError:

        def compiled(function):
            """Leave it as it is, for tests without numba."""
            return function


def subjettiness(
    momenta: Floats,
    plane: Floats,
    lengths: Ints,
    pairs: tuple[tuple[int, float], ...],
    iterations: int,
    accuracy: float,
) -> Floats:
    """Return τ_N^(β) R₀^β of every jet for each pair (N, β), (jets, pairs); 0 for N points or less.

    momenta     (points, 4) as (E, px, py, pz) in GeV, in double precision, each jet near φ = 0.
    plane       (3, points), pT in GeV, rapidity and azimuth of the points.
    iterations  largest number of steps to a local minimum; 0 for the kT axes themselves.
    accuracy    mean shift of the axes, below which they have converged.
    """
    counts = np.array([count for count, _ in pairs])
    betas = np.array([beta for _, beta in pairs])
    given = np.ascontiguousarray(momenta), np.ascontiguousarray(plane), starts(lengths), lengths
    found: Floats = _all_jets(*given, counts, betas, iterations, accuracy)
    return found


@compiled
def _all_jets(
    momenta: Floats,
    plane: Floats,
    begin: Ints,
    lengths: Ints,
    counts: Ints,
    betas: Floats,
    iterations: int,
    accuracy: float,
) -> Floats:
    values = np.zeros((len(lengths), len(counts)))
    least, most, longest = counts.min(), counts.max(), lengths.max()
    seeds, axes = np.zeros((most + 1, most, 2)), np.zeros((most, 2))
    sums, nodes = np.zeros((3, most)), np.zeros((9, longest))
    nearest = np.zeros(longest, np.int64)
    for jet in range(len(lengths)):
        size = lengths[jet]
        if size <= least:
            continue
        rows = slice(begin[jet], begin[jet] + size)
        pt, y, phi = plane[0, rows], plane[1, rows], plane[2, rows]
        nodes[:4, :size], nodes[4, :size], nodes[5, :size] = momenta[rows].T, y, phi
        _cluster(nodes, nearest, size, least, seeds)
        for column in range(len(counts)):
            count, beta = counts[column], betas[column]
            if size > count:
                axes[:count] = seeds[count, :count]
                for _ in range(iterations):
                    if _step(pt, y, phi, axes[:count], sums, beta, accuracy) <= accuracy:
                        break
                values[jet, column] = _tau(pt, y, phi, axes[:count], beta)
    return values


@compiled
def _difference(one: float, other: float) -> float:
    """Return an azimuthal difference wrapped into [−π, π)."""
    angle = one - other
    while angle >= np.pi:
        angle -= 2 * np.pi
    while angle < -np.pi:
        angle += 2 * np.pi
    return angle


@compiled
def _nearest_axis(y: float, phi: float, axes: Floats) -> tuple[float, int]:
    """Return ΔR² to the nearest axis and its index."""
    least, index = np.inf, 0
    for axis in range(len(axes)):
        delta_y, delta_phi = y - axes[axis, 0], _difference(phi, axes[axis, 1])
        squared = delta_y * delta_y + delta_phi * delta_phi
        if squared < least:
            least, index = squared, axis
    return least, index


@compiled
def _tau(pt: Floats, y: Floats, phi: Floats, axes: Floats, beta: float) -> float:
    total, scale = 0.0, 0.0
    for i in range(len(pt)):
        squared, _ = _nearest_axis(y[i], phi[i], axes)
        total += pt[i] * _power(squared, beta)
        scale += pt[i]
    return total / scale


@compiled
def _power(squared: float, beta: float) -> float:
    """Return ΔR^β."""
    if beta == 1.0:
        return float(np.sqrt(squared))
    if beta == 2.0:
        return squared
    return float(squared ** (beta / 2))


@compiled
def _step(
    pt: Floats, y: Floats, phi: Floats, axes: Floats, sums: Floats, beta: float, accuracy: float
) -> float:
    """Move the axes to Σ w x / Σ w with w = pT ΔR^(β − 2), and return their mean shift."""
    sums[:] = 0.0
    for i in range(len(pt)):
        squared, axis = _nearest_axis(y[i], phi[i], axes)
        softened = squared + accuracy * accuracy
        weight = pt[i]
        if beta == 1.0:
            weight /= np.sqrt(softened)
        elif beta == 0.5:
            weight /= np.sqrt(softened * np.sqrt(softened))
        elif beta != 2.0:
            weight *= softened ** (beta / 2 - 1)
        sums[0, axis] += weight
        sums[1, axis] += weight * y[i]
        sums[2, axis] += weight * (axes[axis, 1] + _difference(phi[i], axes[axis, 1]))
    shift = 0.0
    for axis in range(len(axes)):
        if sums[0, axis] > 0:  # an axis without points does not move
            new_y, new_phi = sums[1, axis] / sums[0, axis], sums[2, axis] / sums[0, axis]
            shift += np.hypot(new_y - axes[axis, 0], _difference(new_phi, axes[axis, 1]))
            axes[axis, 0], axes[axis, 1] = new_y, new_phi
    return shift / len(axes)


@compiled
def _cluster(nodes: Floats, nearest: Ints, size: int, least: int, seeds: Floats) -> None:
    """Cluster with kT; fill `seeds` (N, axis, 2) with the exclusive jets down to N = `least`.

    nodes    (9, slots), E, px, py, pz, y, φ, pT² of the pseudojets; ΔR² and d to the nearest.
    nearest  (slots,), the nearest pseudojet of each.
    """
    nodes[6, :size] = nodes[1, :size] ** 2 + nodes[2, :size] ** 2
    for i in range(size):
        _search(nodes, nearest, i, size)
    while True:
        if size < len(seeds):
            seeds[size, :size, 0], seeds[size, :size, 1] = nodes[4, :size], nodes[5, :size]
        if size == least:
            return
        one = np.argmin(nodes[8, :size])
        lower, upper = min(one, nearest[one]), max(one, nearest[one])
        size -= 1
        _merge(nodes, lower, upper)
        _move(nodes, nearest, lower, upper, size)
        _update(nodes, nearest, lower, size)


@compiled
def _distance(nodes: Floats, i: int, j: int) -> float:
    delta_y, delta_phi = nodes[4, i] - nodes[4, j], _difference(nodes[5, i], nodes[5, j])
    return float(delta_y * delta_y + delta_phi * delta_phi)


@compiled
def _set(nodes: Floats, nearest: Ints, i: int, j: int, squared: float) -> None:
    nodes[7, i], nearest[i] = squared, j
    nodes[8, i] = squared * min(nodes[6, i], nodes[6, j])


@compiled
def _search(nodes: Floats, nearest: Ints, i: int, size: int) -> None:
    """Find the nearest neighbour of pseudojet i among the first `size`."""
    least, index = np.inf, i
    for j in range(size):
        squared = _distance(nodes, i, j)
        if squared < least and j != i:
            least, index = squared, j
    _set(nodes, nearest, i, index, least)


@compiled
def _merge(nodes: Floats, lower: int, upper: int) -> None:
    """Add pseudojet `upper` to `lower`."""
    for k in range(4):
        nodes[k, lower] += nodes[k, upper]
    energy, px, py, pz = nodes[0, lower], nodes[1, lower], nodes[2, lower], nodes[3, lower]
    pt2 = px * px + py * py
    mt2, far = pt2 + max(energy * energy - pt2 - pz * pz, 0.0), energy + abs(pz)
    rapidity = -0.5 * np.log(mt2 / far**2) if mt2 > 0 and far > 0 else ALONG_BEAM
    nodes[4, lower], nodes[5, lower] = np.sign(pz) * rapidity, np.arctan2(py, px)
    nodes[6, lower] = pt2


@compiled
def _move(nodes: Floats, nearest: Ints, lower: int, upper: int, size: int) -> None:
    """Move slot `size`, the last, into the gap; −1 marks who lost the nearest neighbour."""
    for k in range(9):
        nodes[k, upper] = nodes[k, size]
    nearest[upper] = nearest[size]
    for i in range(size):
        if nearest[i] == lower or nearest[i] == upper:
            nearest[i] = -1
        elif nearest[i] == size:
            nearest[i] = upper


@compiled
def _update(nodes: Floats, nearest: Ints, fresh: int, size: int) -> None:
    """Find the neighbours of the merged pseudojet and of those that lost theirs."""
    if size < 2:
        return
    _search(nodes, nearest, fresh, size)
    for i in range(size):
        if i != fresh:
            squared = _distance(nodes, i, fresh)
            if squared < nodes[7, i]:  # nearer than all others were
                _set(nodes, nearest, i, fresh, squared)
            elif nearest[i] == -1:
                _search(nodes, nearest, i, size)
