"""Pairs of hits that a map of modules allows, and of these the pairs that continue one another.

The map holds pairs of modules that follow each other on a particle's path, and for each of them the
ranges of quantities of two and of three hits (arXiv:2103.00916, ATL-PHYS-PUB-2024-018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.physics.kinematics import wrap_angle
from bunchtrain.physics.packed import Floats, Ints, chunks, positions
from bunchtrain.physics.segments import joints

#: Ranges of a pair of modules, see `ModuleRanges`.
RANGES = (
    "turn",
    "least_impact",
    "most_impact",
    "least_angle",
    "most_angle",
    "curvature",
    "least_kink",
    "most_kink",
)
#: Pairs, or pairs of pairs, that are looked at together.
_CHUNK = 1_000_000
#: Distance of the azimuths of two modules on one axis.
_STRIDE = 16.0


class Hits:
    """Hits of one event: places (hits, 3) in mm, and the index of the module of each, −1 for none.

    From inside to outside is by their distance from the middle of the detector.
    """

    def __init__(self, places: Floats, module: Ints) -> None:
        self.x, self.y, self.z = places.astype(np.float64).T
        self.module = module
        self.r, self.phi = np.hypot(self.x, self.y), np.arctan2(self.y, self.x)
        self.distance = np.hypot(self.r, self.z)

    def __len__(self) -> int:
        return len(self.module)


@dataclass(frozen=True)
class ModuleRanges:
    """Pairs of modules with the ranges of pairs of hits in them.

    first, second  (pairs,) indices of modules, sorted; the second hit is further out.
    ranges         (pairs, 8) in the order of `RANGES`: largest |Δφ|; smallest and largest distance
                   of the middle of the detector from the line of both hits in the plane of r and z
                   in mm; the same of its polar angle; of a pair with one that continues it the
                   largest curvature in 1/mm, and smallest and largest change of the polar angle.
    modules        number of modules.
    """

    first: Ints
    second: Ints
    ranges: Floats
    modules: int

    def __getitem__(self, name: str) -> Floats:
        return np.asarray(self.ranges[:, RANGES.index(name)])


def doublet_values(hits: Hits, first: Ints, second: Ints) -> tuple[Floats, Floats, Floats]:
    """Return Δφ, the impact and the polar angle of pairs of hits, (pairs,) each.

    The impact is (z₁ Δr − r₁ Δz)/√(Δr² + Δz²), the polar angle is atan2(√(Δx² + Δy²), Δz).
    """
    dr, dz = hits.r[second] - hits.r[first], hits.z[second] - hits.z[first]
    length = np.maximum(np.hypot(dr, dz), 1e-9)
    impact = (hits.z[first] * dr - hits.r[first] * dz) / length
    across = np.hypot(hits.x[second] - hits.x[first], hits.y[second] - hits.y[first])
    turn = wrap_angle(hits.phi[second] - hits.phi[first])
    return turn, impact, np.arctan2(across, dz)


def curvature(hits: Hits, first: Ints, middle: Ints, last: Ints) -> Floats:
    """Return the curvature in 1/mm of the circle through three hits across the beam, signed.

    κ = 2 (u × v)/(|u| |v| |u + v|) with the vectors u and v between the hits.
    """
    ux, uy = hits.x[middle] - hits.x[first], hits.y[middle] - hits.y[first]
    vx, vy = hits.x[last] - hits.x[middle], hits.y[last] - hits.y[middle]
    sides = np.hypot(ux, uy) * np.hypot(vx, vy) * np.hypot(ux + vx, uy + vy)
    return np.asarray(2 * (ux * vy - uy * vx) / np.maximum(sides, 1e-9))


def distances(hits: Hits, first: Ints, second: Ints) -> Floats:
    """Return the distances of pairs of hits in mm, (pairs,)."""
    steps = (a[second] - a[first] for a in (hits.x, hits.y, hits.z))
    return np.asarray(np.sqrt(sum(step * step for step in steps)))


def find_doublets(hits: Hits, known: ModuleRanges) -> tuple[Ints, Ints, Ints, Floats]:
    """Return first and second hit, pair of modules and polar angle of all pairs in the ranges."""
    found = [
        _in_ranges(hits, known, *pairs) for pairs in _near_in_azimuth(hits, known)
    ]  # fmt: skip
    first, second, pair, angle = (np.concatenate(each) for each in zip(*found, strict=True))
    return first, second, pair, angle


def _in_ranges(
    hits: Hits, known: ModuleRanges, first: Ints, second: Ints, pair: Ints
) -> tuple[Ints, Ints, Ints, Floats]:
    _, impact, angle = doublet_values(hits, first, second)
    kept = np.flatnonzero(
        (hits.distance[second] > hits.distance[first])
        & (impact >= known["least_impact"][pair])
        & (impact <= known["most_impact"][pair])
        & (angle >= known["least_angle"][pair])
        & (angle <= known["most_angle"][pair])
    )
    return first[kept], second[kept], pair[kept], angle[kept]


def _near_in_azimuth(hits: Hits, known: ModuleRanges) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield first and second hit and pair of modules where |Δφ| is in the range, in chunks.

    All hits lie on one axis by module and azimuth, those near ±π on both sides of their module.
    """
    turn, rows = known["turn"], np.flatnonzero(hits.module >= 0)
    most = min(float(turn.max(initial=0)), np.pi)
    place = _STRIDE * hits.module + hits.phi
    above, below = (rows[sign * hits.phi[rows] > np.pi - most] for sign in (1, -1))
    axis = np.concatenate([place[rows], place[above] - 2 * np.pi, place[below] + 2 * np.pi])
    order = np.argsort(axis, kind="stable")
    axis, at = axis[order], np.concatenate([rows, above, below])[order]
    begin = np.searchsorted(known.first, np.arange(known.modules + 1))
    rows = rows[np.argsort(place[rows], kind="stable")]
    number = (begin[1:] - begin[:-1])[hits.module[rows]]
    first = np.repeat(rows, number)
    pair = positions(number) + np.repeat(begin[hits.module[rows]], number)
    centre = _STRIDE * known.second[pair] + hits.phi[first]
    start = np.searchsorted(axis, centre - turn[pair])
    number = np.searchsorted(axis, centre + turn[pair], side="right") - start
    for part in chunks(number, _CHUNK):
        of = np.repeat(np.arange(part.start, part.stop), number[part])
        yield first[of], at[positions(number[part]) + start[of]], pair[of]


#: Columns of edges, see `find_edges`; what there is of them without a continuation.
COLUMNS = (
    *("inside", "outside", "inside_kink", "outside_kink", "inside_bend", "outside_bend"),
    "bend_step",
)
_NO_KINK, _NO_STEP = 1.5, -1.0
#: Resolution of a curvature in 1/m, and in its own size; largest step in these units.
_BEND, _SCATTERING, _FAR_STEP = 0.05, 0.1, 20.0


def find_edges(
    hits: Hits, known: ModuleRanges, overlap: float, limit: int
) -> tuple[Ints, dict[str, Floats]]:
    """Return pairs of hits that are continued (2, edges), and their columns (edges,).

    A pair is kept if another one continues it on either side within the ranges, or if its hits are
    within the overlap of two modules, whose direction says nothing. Columns, inwards and outwards:
    `inside` and `outside`, the number of continuations; of the best of them `…_kink`, the change of
    the polar angle in half widths of its range from the middle of it, 1.5 without one, and
    `…_bend`, the signed curvature in 1/m, 0 without one. The best has the smallest kink; of a pair
    that is continued on both sides these have the smallest sum of squares of both kinks and of
    `bend_step` = |κ' − κ|/(0.05 + 0.1 |κ|), at most 20, −1 for others.

    overlap  largest distance in mm of hits in overlapping modules.
    limit    largest number of pairs of hits.

    Raises DataError, with both numbers, beyond the limit.
    """
    first, second, pair, angle = find_doublets(hits, known)
    if len(first) > limit:
        raise DataError(
            f"the module map joins {len(first):,} pairs of {len(hits):,} hits, more than "
            f"'max_edges', which is {limit:,}; raise it, or choose fewer hits by 'where'"
        )
    is_short = distances(hits, first, second) <= overlap
    long = np.flatnonzero(~is_short)
    triplets = find_triplets(hits, known, first[long], second[long], pair[long], angle[long])
    columns = {name: np.zeros(len(first)) for name in COLUMNS}
    for name, values in continuations(triplets, len(long)).items():
        columns[name][long] = values
    for name, value in (("inside_kink", _NO_KINK), ("outside_kink", _NO_KINK)):
        columns[name][is_short] = value
    columns["bend_step"][is_short] = _NO_STEP
    kept = np.flatnonzero(is_short | (columns["inside"] > 0) | (columns["outside"] > 0))
    return np.stack([first, second])[:, kept], {n: v[kept] for n, v in columns.items()}


@dataclass(frozen=True)
class Triplets:
    """Pairs of pairs of hits that continue one another, (triplets,) each.

    inner, outer  indices of the pairs.
    kink          absolute, in half widths from the middle of its range.
    bend          signed curvature in 1/m.
    """

    inner: Ints
    outer: Ints
    kink: Floats
    bend: Floats


def find_triplets(
    hits: Hits, known: ModuleRanges, first: Ints, second: Ints, pair: Ints, angle: Floats
) -> Triplets:
    """Return the pairs of pairs of hits that continue one another."""
    low, high = known["least_kink"][pair], known["most_kink"][pair]
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-9)
    found = []
    for inner, outer in joints(first, second, _CHUNK):
        kink = (angle[outer] - angle[inner] - middle[inner]) / half[inner]
        kept = (np.abs(kink) <= 1) & (high[inner] >= low[inner])
        inner, outer, kink = inner[kept], outer[kept], kink[kept]
        bend = curvature(hits, first[inner], second[inner], second[outer])
        kept = np.abs(bend) <= known["curvature"][pair[inner]]
        found.append((inner[kept], outer[kept], np.abs(kink[kept]), 1000 * bend[kept]))
    return Triplets(*(np.concatenate(each) for each in zip(*found, strict=True)))


def continuations(triplets: Triplets, pairs: int) -> dict[str, Floats]:
    """Return the columns of `find_edges` of pairs of hits, (pairs,) each."""
    inner, outer, kink, bend = triplets.inner, triplets.outer, triplets.kink, triplets.bend
    columns = {
        "inside": np.bincount(outer, minlength=pairs).astype(np.float64),
        "outside": np.bincount(inner, minlength=pairs).astype(np.float64),
        "bend_step": np.full(pairs, _NO_STEP),
    }
    best = {"inside": _lowest(outer, kink, pairs), "outside": _lowest(inner, kink, pairs)}
    before, after, step = _best_both(triplets, pairs)
    columns["bend_step"][outer[before]] = step
    best = {
        "inside": np.append(best["inside"], before),
        "outside": np.append(best["outside"], after),
    }
    for side, own in (("inside", outer), ("outside", inner)):
        rows = best[side]
        columns[f"{side}_kink"], columns[f"{side}_bend"] = np.full(pairs, _NO_KINK), np.zeros(pairs)
        # the best of both sides come last
        columns[f"{side}_kink"][own[rows]] = kink[rows]
        columns[f"{side}_bend"][own[rows]] = bend[rows]
    return columns


def _best_both(triplets: Triplets, pairs: int) -> tuple[Ints, Ints, Floats]:
    """Return the best triplets before and after each pair that has both, and their step."""
    found = []
    for before, after in joints(triplets.inner, triplets.outer, _CHUNK):
        bend = triplets.bend[before]
        step = np.abs(triplets.bend[after] - bend) / (_BEND + _SCATTERING * np.abs(bend))
        cost = triplets.kink[before] ** 2 + triplets.kink[after] ** 2 + step**2
        best = _lowest(triplets.outer[before], cost, pairs)
        found.append((before[best], after[best], step[best], cost[best]))
    before, after, step, cost = (np.concatenate(each) for each in zip(*found, strict=True))
    best = _lowest(triplets.outer[before], cost, pairs)
    return before[best], after[best], np.minimum(step[best], _FAR_STEP)


def _lowest(own: Ints, cost: Floats, pairs: int) -> Ints:
    """Return a row of lowest cost of each value of `own`, which are below `pairs`."""
    least, row = np.full(pairs, np.inf), np.full(pairs, -1, np.int64)
    np.minimum.at(least, own, cost)
    found = np.flatnonzero(cost == least[own])
    row[own[found]] = found
    return row[row >= 0]
