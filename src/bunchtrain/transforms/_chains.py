"""Chains of segments: of those through the same hits, the one of the largest weight."""

from __future__ import annotations

import numpy as np

from bunchtrain.transforms._clustering import Floats, Ints


def chains(
    first: Ints, second: Ints, inner: Ints, outer: Ints, weight: Floats, layer: Floats
) -> Ints:
    """Return the chain of each hit, (hits,), −1 for none.

    In each round the heaviest chain that ends with each segment is found from layer to layer
    (dynamic programming); a chain is kept if it is the heaviest of each of its hits, and all
    segments at its hits are left out of the next rounds.

    first, second  (segments,) hits.
    inner, outer   (joints,) segments.
    weight         (joints,); joints of 0 or less are left out.
    layer          (hits,) rises along each segment.
    """
    found = np.full(len(layer), -1, np.int64)
    level = layer[second]
    joint = np.flatnonzero(weight > 0)
    joint = joint[np.argsort(level[outer[joint]], kind="stable")]
    inner, outer, weight = inner[joint], outer[joint], weight[joint]
    number = 0
    while len(inner):
        value, before = _heaviest(inner, outer, weight, level)
        hits, of = _hits_of_chains(first, second, before, np.flatnonzero(before >= 0))
        kept = _best_of_all_hits(hits, of, value, len(layer))
        found[hits[kept]] = number + of[kept]
        number += len(level)
        free = found < 0
        usable = free[first] & free[second]
        stays = usable[inner] & usable[outer]
        inner, outer, weight = inner[stays], outer[stays], weight[stays]
    return found


def _heaviest(inner: Ints, outer: Ints, weight: Floats, level: Floats) -> tuple[Floats, Ints]:
    """Return the weight of the heaviest chain that ends with each segment, and the one before it.

    inner, outer, weight  (joints,) by the level of the outer segment.
    level                 (segments,) layer of the second hit.
    """
    value, before = np.zeros(len(level)), np.full(len(level), -1, np.int64)
    levels = level[outer]
    starts = np.flatnonzero(np.r_[True, levels[1:] != levels[:-1]])
    for start, stop in zip(starts, [*starts[1:], len(levels)], strict=True):
        ends, sums = outer[start:stop], value[inner[start:stop]] + weight[start:stop]
        order = np.lexsort((sums, ends))  # the heaviest of each segment last
        value[ends[order]] = sums[order]
        before[ends[order]] = inner[start:stop][order]
    return value, before


def _hits_of_chains(first: Ints, second: Ints, before: Ints, last: Ints) -> tuple[Ints, Ints]:
    """Return the hits of the chains that end with the segments `last`, and their last segments."""
    hits, of = [second[last]], [last]
    segment = last
    while len(segment):
        hits.append(first[segment])
        of.append(last)
        onward = before[segment] >= 0
        last, segment = last[onward], before[segment[onward]]
    return np.concatenate(hits), np.concatenate(of)


def _best_of_all_hits(hits: Ints, of: Ints, value: Floats, points: int) -> Ints:
    """Return the rows of the chains that are the heaviest of each of their hits.

    hits, of  (rows,) hits, and the chain of each.
    value     (chains,) weights; of two that are equal the later chain is the heavier.
    """
    rank = np.empty(len(value), np.int64)
    rank[np.argsort(value, kind="stable")] = np.arange(len(value))
    best = np.full(points, -1, np.int64)
    np.maximum.at(best, hits, rank[of])
    beaten = np.zeros(len(value), bool)
    beaten[of[rank[of] < best[hits]]] = True
    return np.flatnonzero(~beaten[of])
