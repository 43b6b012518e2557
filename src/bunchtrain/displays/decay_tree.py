"""The layout of a decay tree: particles of one generation in a column, below their mother."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_NAMES = {
    1: "d", 2: "u", 3: "s", 4: "c", 5: "b", 6: "t", 21: "g", 22: "γ", 23: "Z", 24: "W⁺", 25: "H",
    11: "e⁻", 12: "νe", 13: "μ⁻", 14: "νμ", 15: "τ⁻", 16: "ντ",
    111: "π⁰", 211: "π⁺", 221: "η", 331: "η′", 113: "ρ⁰", 213: "ρ⁺", 223: "ω", 333: "φ",
    130: "K⁰L", 310: "K⁰S", 311: "K⁰", 321: "K⁺", 313: "K*⁰", 323: "K*⁺",
    411: "D⁺", 421: "D⁰", 431: "Ds⁺", 413: "D*⁺", 423: "D*⁰", 443: "J/ψ", 100443: "ψ(2S)",
    511: "B⁰", 521: "B⁺", 531: "Bs⁰", 541: "Bc⁺", 513: "B*⁰", 523: "B*⁺", 553: "Υ", 300553: "Υ(4S)",
    2112: "n", 2212: "p", 3122: "Λ", 3112: "Σ⁻", 3212: "Σ⁰", 3222: "Σ⁺", 3312: "Ξ⁻", 3322: "Ξ⁰",
    3334: "Ω⁻", 2224: "Δ⁺⁺", 4122: "Λc⁺", 5122: "Λb⁰", 2101: "(ud)₀", 2103: "(ud)₁", 2203: "(uu)₁",
    90: "system", 91: "cluster", 92: "string",
}  # fmt: skip
#: The names of antiparticles that are not the name of the particle with a bar.
_ANTI = {11: "e⁺", 13: "μ⁺", 15: "τ⁺"}
_TURNED = str.maketrans("⁺⁻", "⁻⁺")


def particle_name(pdg: int) -> str:
    """Return the name of a particle by its number of the Particle Data Group, or the number."""
    name = _NAMES.get(abs(pdg))
    if name is None or pdg > 0:
        return name or str(pdg)
    if abs(pdg) in _ANTI:
        return _ANTI[abs(pdg)]
    if name[-1] in "⁺⁻" and abs(pdg) < 3000:
        return name.translate(_TURNED)
    return f"{name[0]}̄{name[1:]}"


def layout(mother: Ints) -> tuple[Ints, NDArray[np.float64], Ints]:
    """Return the generation and place of each particle, and its mother, (particles,) each.

    Particles without daughters are in places 0, 1, … in the order of the tree; others are in the
    middle of theirs. A mother that does not exist, or is its own descendant, counts as none.

    mother  (particles,) index of the mother, −1 for none.
    """
    count = len(mother)
    mother = np.where((mother >= 0) & (mother < count), mother, -1)
    mother[mother == np.arange(count)] = -1
    depth = _generations(mother)
    lost = np.flatnonzero(depth < 0)  # in a circle
    mother[lost] = -1
    depth[lost] = 0
    daughters: list[list[int]] = [[] for _ in range(count)]
    for particle in np.flatnonzero(mother >= 0):
        daughters[mother[particle]].append(int(particle))
    place, leaf = np.zeros(count), 0
    stack: list[int] = np.flatnonzero(mother < 0)[::-1].tolist()
    order = list[int]()
    while stack:
        one = stack.pop()
        order.append(one)
        if not daughters[one]:
            place[one], leaf = leaf, leaf + 1
        stack += daughters[one][::-1]
    for one in reversed(order):
        if daughters[one]:
            place[one] = (place[daughters[one][0]] + place[daughters[one][-1]]) / 2
    return depth, place, mother


def _generations(mother: Ints) -> Ints:
    """Return how many ancestors each particle has, −1 for those in a circle or below one."""
    depth = np.where(mother < 0, 0, -1)
    for _ in range(len(mother)):
        ready = (depth < 0) & (depth[mother] >= 0) & (mother >= 0)
        if not ready.any():
            break
        depth[ready] = depth[mother[ready]] + 1
    return depth
