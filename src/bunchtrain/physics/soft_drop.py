"""Soft drop: grooming away soft radiation at wide angles (arXiv:1402.2657)."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.clustering import CACHE, Trees, bytes_each, cluster
from bunchtrain.physics.kinematics import (
    azimuth,
    rapidity,
    rotate_about_beam,
    rotate_to_axis,
    transverse,
    wrap_angle,
)
from bunchtrain.physics.packed import MEMORY, Flags, Floats, Ints, descending, point_index


def soft_drop(
    momenta: Floats,
    lengths: Ints,
    z_cut: float = 0.1,
    beta: float = 0.0,
    radius: float = 0.8,
    memory: float = MEMORY,
) -> Floats:
    """Return the groomed momentum (E, px, py, pz) of every jet: (jets, 4) in GeV.

    The jet is reclustered with Cambridge/Aachen and declustered along the harder branch until
    min(pT₁, pT₂) / (pT₁ + pT₂) > z_cut (ΔR₁₂ / R₀)^β; a jet that never fulfils it is reduced to
    one particle. `momenta` are (points, 4), `lengths` (jets,). An empty jet gives zeros.
    """
    groomed = np.zeros((len(lengths), 4))
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        front, angle = rotate_to_axis(momenta[point_index(lengths, rows)], lengths[rows])
        tree = cluster(front, lengths[rows], "cambridge_aachen")
        node = _groom(tree, z_cut, beta, radius)
        groomed[rows] = rotate_about_beam(tree.nodes[np.arange(len(rows)), node], angle)
    return groomed


def soft_drop_points(
    momenta: Floats,
    lengths: Ints,
    z_cut: float = 0.1,
    beta: float = 0.0,
    radius: float = 0.8,
    memory: float = MEMORY,
) -> Flags:
    """Return which points remain after `soft_drop`, with the same arguments: (points,) bool.

    With β = 0 it is the modified mass-drop tagger (arXiv:1307.0007).
    """
    mask = np.zeros(len(momenta), dtype=bool)
    for rows in descending(lengths, bytes_each, min(memory, CACHE)):
        points = point_index(lengths, rows)
        front, _ = rotate_to_axis(momenta[points], lengths[rows])
        tree = cluster(front, lengths[rows], "cambridge_aachen")
        mask[points] = _descendants(tree, _groom(tree, z_cut, beta, radius))
    return mask


def _descendants(tree: Trees, node: Ints) -> Flags:
    """Return which of the packed points belong to these nodes, one of each jet."""
    jets, slots, _ = tree.children.shape
    rows, inside = np.arange(jets), np.zeros((jets, 2 * slots), dtype=bool)
    inside[rows, node] = True
    for step in range(slots - 2, -1, -1):
        parent = np.minimum(tree.lengths + step, 2 * slots - 1)
        split = np.flatnonzero(inside[rows, parent] & (step < tree.lengths - 1))
        inside[split[:, None], tree.children[split, step]] = True
    return np.asarray(inside[:, :slots][np.arange(slots) < tree.lengths[:, None]])


def _groom(tree: Trees, z_cut: float, beta: float, radius: float) -> Ints:
    node = 2 * tree.lengths - 2  # the root
    jets = np.flatnonzero(node >= tree.lengths)
    while len(jets):
        children = tree.children[jets, node[jets] - tree.lengths[jets]]
        branch = tree.nodes[jets[:, None], children]  # (jets, 2, 4)
        pt = transverse(branch[..., 1], branch[..., 2])
        fails = pt.min(1) <= z_cut * pt.sum(1) * _angle(branch, beta, radius)
        jets, children, pt = jets[fails], children[fails], pt[fails]
        node[jets] = children[np.arange(len(jets)), pt.argmax(1)]
        jets = jets[node[jets] >= tree.lengths[jets]]
    return node


def _angle(branch: Floats, beta: float, radius: float) -> Floats | float:
    """Return (ΔR₁₂ / R₀)^β: (jets,) from (jets, 2, 4)."""
    if beta == 0:
        return 1.0
    energy, px, py, pz = np.moveaxis(branch, -1, 0)
    delta_y = np.diff(rapidity(energy, px, py, pz))[:, 0]
    delta_phi = wrap_angle(np.diff(azimuth(px, py))[:, 0])
    return np.asarray((np.hypot(delta_y, delta_phi) / radius) ** beta)
