"""Counts of the splittings of a jet in bins of the Lund plane, a bag of words."""

from __future__ import annotations

import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Bins, Events, Momentum, Positive
from bunchtrain.physics.clustering_trees import clustering_trees
from bunchtrain.physics.kinematics import azimuth, invariant_mass, rapidity, transverse, wrap_angle
from bunchtrain.physics.packed import MEMORY, Floats, Ints, jet_index, starts
from bunchtrain.representations._jet_table import JetTable


class LundPlaneCounts(JetTable):
    """Number of splittings of a jet in each bin of the Lund plane (ln kT, ln ΔR).

    The jet is reclustered with Cambridge/Aachen and undone. A splitting of a subjet of mass m₀ into
    two with kT = min(pT₁, pT₂) ΔR₁₂ in GeV and ΔR₁₂ counts in one bin if m₀ is large enough:
    softer ones are many and carry little information on heavy particles. Splittings out of
    range are counted in the nearest bin. The counts are the bag of words of latent Dirichlet
    allocation and are not normalised.

    arXiv:1807.04758, arXiv:1904.04200, arXiv:2005.12319

    group     Prefix of the columns of the points.
    min_mass  Smallest mass m₀ of a subjet whose splitting counts, in GeV.
    bins      Number of bins in ln kT and in ln ΔR.
    kt        Range of kT in GeV.
    angle     Range of ΔR.
    where     Condition that a point must fulfil, e.g. `pt > 0.1`.
    memory    Bound in bytes on the memory of the clustering.
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        min_mass: Momentum = 20.0,
        bins: tuple[Bins, Bins] = (10, 8),
        kt: tuple[Positive, Positive] = (0.1, 150.0),
        angle: tuple[Positive, Positive] = (0.02, 0.8),
        where: str | None = None,
        memory: Events = MEMORY,
    ) -> None:
        super().__init__(group, where, memory, "none")
        self.min_mass = min_mass
        self.edges = [
            _edges(name, given, count)
            for name, given, count in zip(("kt", "angle"), (kt, angle), bins, strict=True)
        ]

    @property
    def observables(self) -> list[str]:
        """Return the lower edges of the bins, e.g. `kt 1.2 angle 0.4`."""
        kt, angle = (edges[:-1] for edges in self.edges)
        return [f"kt {low:.3g} angle {near:.3g}" for low in kt for near in angle]

    def compute(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return the number of splittings of each jet in each bin."""
        jet, parent, pair = _splittings(momenta, lengths, self.memory)
        chosen = invariant_mass(parent) > self.min_mass
        kt, angle = _lund_plane(pair[chosen])
        word = _bin(kt, self.edges[0]) * (len(self.edges[1]) - 1) + _bin(angle, self.edges[1])
        words = len(self.observables)
        counts = np.bincount(jet[chosen] * words + word, minlength=len(lengths) * words)
        return counts.reshape(len(lengths), words).astype(np.float32)


def _edges(name: str, given: tuple[float, float], count: int) -> Floats:
    low, high = given
    if not 0 < low < high or count < 1:
        raise StudyError(
            f"lund_plane_counts: {count} bins of '{name}' from {low:g} to {high:g} are impossible; "
            "give 1 or more and a range that rises from above 0"
        )
    return np.geomspace(low, high, count + 1)


def _bin(values: Floats, edges: Floats) -> Ints:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _splittings(momenta: Floats, lengths: Ints, memory: float) -> tuple[Ints, Floats, Floats]:
    """Return the jet index, the parent momentum and the two daughter momenta of each splitting."""
    trees = clustering_trees(momenta, lengths, "cambridge_aachen", memory)
    inner = np.flatnonzero(trees.children[:, 0] >= 0)
    jet = jet_index(trees.lengths)[inner]
    children = trees.children[inner] + starts(trees.lengths)[jet][:, None]
    return jet, trees.momenta[inner], trees.momenta[children]


def _lund_plane(pair: Floats) -> tuple[Floats, Floats]:
    """Return kT in GeV and ΔR of pairs (pairs, 2, 4)."""
    energy, px, py, pz = np.moveaxis(pair, -1, 0)
    rise = np.diff(rapidity(energy, px, py, pz))[:, 0]
    angle = np.hypot(rise, wrap_angle(np.diff(azimuth(px, py))[:, 0]))
    return transverse(px, py).min(1) * angle, angle
