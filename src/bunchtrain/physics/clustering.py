"""Sequential recombination of many jets in parallel: kT and Cambridge/Aachen.

d_ij = min(pT_i^2p, pT_j^2p) ΔR_ij², the closest pair of a jet is merged until one pseudojet is left
(arXiv:0802.1189); p = 1 is kT, p = 0 Cambridge/Aachen. The geometric nearest neighbour
of every point is stored, so that a step costs O(n) (hep-ph/0512210).

Jets are in descending multiplicity, and a jet becomes active when the others have been clustered
down to its number of points: at every step all active jets have the same number of points, without
padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bunchtrain.physics.active_pseudojets import ActivePseudojets
from bunchtrain.physics.kinematics import azimuth, rapidity, rotate_to_axis, transverse, wrap_angle
from bunchtrain.physics.packed import MEMORY, Floats, Ints, descending, point_index

Algorithm = Literal["kt", "cambridge_aachen"]
#: Memory in bytes of the jets of a block, so that they fit into the processor's cache.
CACHE = 16_000_000


def bytes_each(size: int) -> float:
    """Return the memory of clustering in bytes for a jet of this many points."""
    return 320 * size


def exclusive_axes(momenta: Floats, lengths: Ints, counts: tuple[int, ...]) -> dict[int, Floats]:
    """Return rapidity and azimuth of the N exclusive kT jets, for each of the counts N.

    `momenta` (points, 4) are packed and added in the E-scheme; the jets must be of descending
    multiplicity, with at least one point each. An entry is (jets, N, 2), for the first jets, which
    have N points or more.
    """
    active = ActivePseudojets(momenta, lengths, kt=True)
    axes = {}
    for count, size in _active_jets(active, lengths, min(counts)):
        if size in counts:
            axes[size] = np.stack([active.y, active.phi], -1)[:count, :size]
        if size > min(counts):
            active.merge(*active.closest(count, size), size)
    return axes


@dataclass
class Trees:
    """The clustering trees of jets of descending multiplicity n.

    nodes     (jets, 2 n_max, 4) momenta: the points in 0 … n − 1, the result of step t in n + t.
    children  (jets, n_max, 2) the nodes that step t added; the last step is n − 2.
    """

    lengths: Ints
    nodes: Floats
    children: Ints


def cluster(momenta: Floats, lengths: Ints, algorithm: Algorithm) -> Trees:
    """Return the clustering trees of packed momenta (points, 4), added in the E-scheme.

    The jets must be of descending multiplicity, with at least one point each.
    """
    active = ActivePseudojets(momenta, lengths, kt=algorithm == "kt")
    jets, slots = active.nearest_distance.shape
    nodes = np.zeros((jets, 2 * slots, 4))
    nodes[:, :slots] = np.moveaxis(active.values[:4], 0, -1)
    children = np.zeros((jets, slots, 2), dtype=np.int64)
    node = np.tile(np.arange(slots), (jets, 1))  # in each slot
    for count, size in _active_jets(active, lengths, 2):
        rows, step = np.arange(count), lengths[:count] - size
        lower, upper = active.closest(count, size)
        children[rows, step, 0], children[rows, step, 1] = node[rows, lower], node[rows, upper]
        active.merge(lower, upper, size)
        node[rows, lower], node[rows, upper] = lengths[:count] + step, node[:count, size - 1]
        nodes[rows, lengths[:count] + step] = active.values[:4, rows, lower].T
    return Trees(lengths, nodes, children)


def kt_splitting(momenta: Floats, lengths: Ints, memory: float = MEMORY) -> tuple[Floats, Floats]:
    """Return √d₁₂ = min(pT₁, pT₂) ΔR₁₂ in GeV and ΔR₁₂ of the two last subjets: (jets,) each.

    The jet is reclustered with kT (arXiv:0806.0023). `momenta` are (points, 4) as (E, px, py, pz)
    in GeV and `lengths` (jets,). Both are 0 for a jet of fewer than two points.
    """
    scale, distance = np.zeros(len(lengths)), np.zeros(len(lengths))
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        rows = rows[lengths[rows] > 1]
        if not len(rows):
            break
        front, _ = rotate_to_axis(momenta[point_index(lengths, rows)], lengths[rows])
        tree = cluster(front, lengths[rows], "kt")
        jets = np.arange(len(rows))
        pair = tree.nodes[jets[:, None], tree.children[jets, tree.lengths - 2]]  # (jets, 2, 4)
        energy, px, py, pz = np.moveaxis(pair, -1, 0)
        delta_y = np.diff(rapidity(energy, px, py, pz))[:, 0]
        distance[rows] = np.hypot(delta_y, wrap_angle(np.diff(azimuth(px, py))[:, 0]))
        scale[rows] = transverse(px, py).min(1) * distance[rows]
    return scale, distance


def _active_jets(active: ActivePseudojets, lengths: Ints, last: int) -> Iterator[tuple[int, int]]:
    """Yield the number of active jets and their number of points, down to the last size."""
    activated = 0
    for size in range(int(lengths[0]), last - 1, -1):
        count = int(np.searchsorted(-lengths, -size, side="right"))
        if count > activated and size > 1:
            active.activate(activated, count, size)
        activated = count
        yield count, size
