"""Sequential recombination of many jets at once: kT and Cambridge/Aachen.

d_ij = min(pT_i^2p, pT_j^2p) ΔR_ij², the closest two of a jet are added until one is left
(arXiv:0802.1189); p = 1 is kT, p = 0 Cambridge/Aachen. Every point remembers its geometric
neighbour, so that a step costs O(n) (hep-ph/0512210).

The jets come from the fullest to the emptiest and one joins in as soon as the others have been
clustered down to as many points as it has: at every step all jets at work have the same number of
points, and none is padded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bunchtrain.physics.packed import Floats, Ints
from bunchtrain.physics.remaining import Remaining

Algorithm = Literal["kt", "cambridge_aachen"]
#: Jets clustered at once take about this much, so that they stay near the processor.
CACHE = 16_000_000


def bytes_each(size: int) -> float:
    """Return the memory that clustering takes for a jet of so many points."""
    return 320 * size


def exclusive_axes(momenta: Floats, lengths: Ints, numbers: tuple[int, ...]) -> dict[int, Floats]:
    """Return rapidity and azimuth of the N exclusive kT jets, for each of the numbers N.

    `momenta` (points, 4) are packed and added in the E-scheme; the jets must be of descending
    multiplicity, with at least one point each. An entry is (jets, N, 2), for the first jets, which
    have N points or more.
    """
    remaining = Remaining(momenta, lengths, kt=True)
    axes = {}
    for count, size in _working(remaining, lengths, min(numbers)):
        if size in numbers:
            axes[size] = np.stack([remaining.height, remaining.angle], -1)[:count, :size]
        if size > min(numbers):
            remaining.merge(*remaining.closest(count, size), size)
    return axes


@dataclass
class Trees:
    """The clustering trees of jets of descending multiplicity n.

    nodes     (jets, 2 n_max, 4) momenta: the points in 0 … n − 1, what step t made in n + t.
    children  (jets, n_max, 2) the nodes that step t added; the last step is n − 2.
    """

    lengths: Ints
    nodes: Floats
    children: Ints


def cluster(momenta: Floats, lengths: Ints, algorithm: Algorithm) -> Trees:
    """Return the clustering trees of packed momenta (points, 4), added in the E-scheme.

    The jets must be of descending multiplicity, with at least one point each.
    """
    remaining = Remaining(momenta, lengths, kt=algorithm == "kt")
    jets, slots = remaining.near.shape
    nodes = np.zeros((jets, 2 * slots, 4))
    nodes[:, :slots] = np.moveaxis(remaining.values[:4], 0, -1)
    children = np.zeros((jets, slots, 2), dtype=np.int64)
    node = np.tile(np.arange(slots), (jets, 1))  # of what is in each slot
    for count, size in _working(remaining, lengths, 2):
        rows, step = np.arange(count), lengths[:count] - size
        lower, upper = remaining.closest(count, size)
        children[rows, step, 0], children[rows, step, 1] = node[rows, lower], node[rows, upper]
        remaining.merge(lower, upper, size)
        node[rows, lower], node[rows, upper] = lengths[:count] + step, node[:count, size - 1]
        nodes[rows, lengths[:count] + step] = remaining.values[:4, rows, lower].T
    return Trees(lengths, nodes, children)


def _working(remaining: Remaining, lengths: Ints, last: int) -> Iterator[tuple[int, int]]:
    """Yield how many jets are at work and how many points each has, down to the last size."""
    begun = 0
    for size in range(int(lengths[0]), last - 1, -1):
        count = int(np.searchsorted(-lengths, -size, side="right"))
        if count > begun and size > 1:
            remaining.join(begun, count, size)
        begun = count
        yield count, size
