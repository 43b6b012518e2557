"""High-level features of jets, the inputs of boosted trees and dense networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError, nearest
from bunchtrain.parts.ranges import Events, Radius
from bunchtrain.physics.clustering import kt_splitting
from bunchtrain.physics.energy_correlators import energy_correlators, ratios
from bunchtrain.physics.generalised_correlators import SERIES, correlator_series
from bunchtrain.physics.kinematics import invariant_mass, transverse
from bunchtrain.physics.n_subjettiness import n_subjettiness
from bunchtrain.physics.packed import MEMORY, Floats, Ints, sum_by_jet
from bunchtrain.physics.shapes import (
    angularity,
    aplanarity,
    dispersion,
    fox_wolfram_ratio,
    mass_angularity,
    planar_flow,
)
from bunchtrain.physics.soft_drop import soft_drop
from bunchtrain.representations._jet_table import JetTable
from bunchtrain.representations._packed import Normalise


class _Jets:
    """A block of jets, which caches intermediate results shared by several features."""

    def __init__(self, momenta: Floats, lengths: Ints, radius: float, memory: float) -> None:
        self.momenta, self.lengths = momenta, lengths
        self.radius, self.memory = radius, memory

    @cached_property
    def total(self) -> Floats:
        return sum_by_jet(self.momenta, self.lengths)

    @cached_property
    def taus(self) -> Floats:
        return n_subjettiness(
            self.momenta, self.lengths, (1, 2, 3, 4), radius=self.radius, memory=self.memory
        )

    @cached_property
    def correlations(self) -> tuple[Floats, Floats]:
        return ratios(energy_correlators(self.momenta, self.lengths, memory=self.memory))

    @cached_property
    def splitting(self) -> tuple[Floats, Floats]:
        return kt_splitting(self.momenta, self.lengths, memory=self.memory)

    def z_cut(self) -> Floats:
        split = self.splitting[0] ** 2
        total = split + invariant_mass(self.total) ** 2
        return split / np.where(total > 0, total, 1)

    def correlator(self, name: str) -> Floats:
        found = correlator_series(self.momenta, self.lengths, (name,), memory=self.memory)
        return np.asarray(found[:, 0])

    def groomed(self) -> Floats:
        return soft_drop(self.momenta, self.lengths, radius=self.radius, memory=self.memory)

    def tau(self, n: int) -> Floats:
        return np.asarray(self.taus[:, n - 1])

    def tau_ratio(self, n: int) -> Floats:
        below = self.tau(n - 1)
        return np.where(below > 0, self.tau(n), 0) / np.where(below > 0, below, 1)

    def angularity(self, beta: float) -> Floats:
        return angularity(self.momenta, self.lengths, beta, radius=self.radius)

    def dispersion(self) -> Floats:
        return dispersion(transverse(self.momenta[:, 1], self.momenta[:, 2]), self.lengths)


FEATURES: dict[str, Callable[[_Jets], Floats]] = {
    "pt": lambda jets: transverse(jets.total[:, 1], jets.total[:, 2]),
    "mass": lambda jets: invariant_mass(jets.total),
    "multiplicity": lambda jets: jets.lengths.astype(np.float64),
    "soft_drop_mass": lambda jets: invariant_mass(jets.groomed()),
    **{f"tau{n}": partial(_Jets.tau, n=n) for n in (1, 2, 3, 4)},
    **{f"tau{n}{n - 1}": partial(_Jets.tau_ratio, n=n) for n in (2, 3, 4)},
    "c2": lambda jets: jets.correlations[0],
    "d2": lambda jets: jets.correlations[1],
    "girth": partial(_Jets.angularity, beta=1),
    "les_houches": partial(_Jets.angularity, beta=0.5),
    "thrust": partial(_Jets.angularity, beta=2),
    "ptd": _Jets.dispersion,
    "planar_flow": lambda jets: planar_flow(jets.momenta, jets.lengths),
}
#: Default features.
STANDARD = list(FEATURES)
FEATURES |= {
    "sqrt_d12": lambda jets: jets.splitting[0],
    "kt_delta_r": lambda jets: jets.splitting[1],
    "z_cut": _Jets.z_cut,
    "fox_wolfram_r2": lambda jets: fox_wolfram_ratio(jets.momenta, jets.lengths),
    "aplanarity": lambda jets: aplanarity(jets.momenta, jets.lengths),
    "a3": lambda jets: mass_angularity(jets.momenta, jets.lengths),
}
FEATURES |= {
    name.lower(): partial(_Jets.correlator, name=name)
    for name in SERIES
    if name.lower() not in STANDARD
}


class JetFeatures(JetTable):
    """Mass, soft-drop mass, N-subjettiness, energy correlators and shapes of each jet.

    features  names; by default pt, mass and soft_drop_mass in GeV, multiplicity, tau1 …
              tau4 (β = 1, one-pass kT axes) with their ratios, c2, d2, girth, les_houches, thrust,
              ptd and planar_flow. There are also c1, c3, m2, m3, n2, n3, u1, u2 and u3, and those
              of W tagging: sqrt_d12 (in GeV) and kt_delta_r of the last kT splitting, z_cut =
              d12 / (d12 + mass²), fox_wolfram_r2 and aplanarity in the rest frame, a3.
    radius    of the jets, the scale of angles.
    where     condition that a point must fulfil, e.g. `pt > 0.1`.
    memory    bound in bytes on the memory of the computation.
    condition  expressions that a density or a generator is conditional on.

    arXiv:1011.2268, arXiv:1402.2657, arXiv:1409.6298, arXiv:1609.07483
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = STANDARD,
        radius: Radius = 0.8,
        where: str | None = None,
        memory: Events = MEMORY,
        normalise: Normalise = "standard",
        condition: list[str] | None = None,
    ) -> None:
        for name in features:
            if name not in FEATURES:
                known = nearest(name, FEATURES) or f"; there are {', '.join(FEATURES)}"
                raise StudyError(f"there is no jet feature named '{name}'{known}")
        super().__init__(group, where, memory, normalise, condition)
        self.features, self.radius = features, radius

    @property
    def observables(self) -> list[str]:
        """Return the features."""
        return list(self.features)

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return the features as columns, the multiplicity as a whole number."""
        columns = super().decode(tensors)
        if "multiplicity" in columns.fields:
            columns["multiplicity"] = np.rint(columns["multiplicity"])
        return columns

    def compute(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return the features of each jet."""
        jets = _Jets(momenta, lengths, self.radius, self.memory)
        return np.stack([FEATURES[name](jets) for name in self.features], axis=1)
