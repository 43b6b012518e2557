"""The last step of kT clustering: how the jet splits in two (arXiv:0806.0023)."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.clustering import CACHE, bytes_each, cluster
from bunchtrain.physics.kinematics import azimuth, facing, rapidity, transverse, wrapped
from bunchtrain.physics.packed import MEMORY, Floats, Ints, descending, point_numbers


def kt_splitting(momenta: Floats, lengths: Ints, memory: float = MEMORY) -> tuple[Floats, Floats]:
    """Return √d₁₂ = min(pT₁, pT₂) ΔR₁₂ in GeV and ΔR₁₂ of the two last subjets: (jets,) each.

    The jet is reclustered with kT. `momenta` are (points, 4) as (E, px, py, pz) in GeV and
    `lengths` (jets,). Both are 0 for a jet of fewer than two points.
    """
    scale, apart = np.zeros(len(lengths)), np.zeros(len(lengths))
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        rows = rows[lengths[rows] > 1]
        if not len(rows):
            break
        front, _ = facing(momenta[point_numbers(lengths, rows)], lengths[rows])
        tree = cluster(front, lengths[rows], "kt")
        each = np.arange(len(rows))
        pair = tree.nodes[each[:, None], tree.children[each, tree.lengths - 2]]  # (jets, 2, 4)
        energy, px, py, pz = np.moveaxis(pair, -1, 0)
        rise = np.diff(rapidity(energy, px, py, pz))[:, 0]
        apart[rows] = np.hypot(rise, wrapped(np.diff(azimuth(px, py))[:, 0]))
        scale[rows] = transverse(px, py).min(1) * apart[rows]
    return scale, apart
