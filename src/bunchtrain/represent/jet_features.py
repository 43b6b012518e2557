"""High-level features of jets, the inputs of boosted trees and dense networks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, partial

import awkward as ak
import numpy as np
import torch
from torch import Tensor

from bunchtrain.columns.expression import Expression
from bunchtrain.errors import StudyError, nearest
from bunchtrain.physics.energy_correlators import energy_correlators, ratios
from bunchtrain.physics.kinematics import invariant_mass, transverse
from bunchtrain.physics.n_subjettiness import n_subjettiness
from bunchtrain.physics.packed import MEMORY, Floats, Ints, sum_by_jet
from bunchtrain.physics.shapes import angularity, dispersion, planar_flow
from bunchtrain.physics.soft_drop import soft_drop
from bunchtrain.represent._packed import Normalise
from bunchtrain.represent._representation import Representation, Size
from bunchtrain.represent.preprocessing.points import Points, needed


class _Jets:
    """A block of jets; what several features share is computed once."""

    def __init__(self, momenta: Floats, lengths: Ints, radius: float, memory: float) -> None:
        # a particle without pT has no direction
        real = (momenta[:, 1:3] != 0).any(1) & np.isfinite(momenta).all(1)
        self.lengths = sum_by_jet(real, lengths).astype(np.int64)
        self.momenta = momenta[real]
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


class JetFeatures(Representation):
    """Mass, soft-drop mass, N-subjettiness, energy correlators and shapes of each jet.

    features  which of them; all if unset: pt, mass and soft_drop_mass in GeV, multiplicity, tau1 …
              tau4 (β = 1, one-pass kT axes) with their ratios, c2, d2, girth, les_houches, thrust,
              ptd and planar_flow.
    radius    of the jets, the scale of angles.
    where     condition that a point must fulfil, as `pt > 0.1`.
    memory    bound in bytes on what is kept while computing.

    arXiv:1011.2268, arXiv:1402.2657, arXiv:1409.6298
    """

    normalised = ("table",)

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = list(FEATURES),  # noqa: B006 - never changed
        radius: float = 0.8,
        where: str | None = None,
        memory: int = MEMORY,
        normalise: Normalise = "standard",
    ) -> None:
        for name in features:
            if name not in FEATURES:
                known = nearest(name, FEATURES) or f"; there are {', '.join(FEATURES)}"
                raise StudyError(f"there is no jet feature named '{name}'{known}")
        self.group, self.features, self.normalise = group, features, normalise
        self.radius, self.memory = radius, memory
        self.where = None if where is None else Expression(where)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        return needed([self.where.text] if self.where else [], self.group, available)

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the number of features."""
        return {"table": len(self.features)}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the features."""
        return {"table": list(self.features)}

    def __call__(self, events: ak.Array) -> dict[str, Tensor]:
        """Return `table` (batch, feature); 0 for a jet without points, NaN for one with NaN."""
        points = Points(events, self.group)
        momenta, lengths = points.momentum.stacked(), points.lengths
        if self.where is not None:
            passed = points.evaluate(self.where) > 0
            momenta, lengths = momenta[passed], sum_by_jet(passed, lengths).astype(np.int64)
        jets = _Jets(momenta, lengths, self.radius, self.memory)
        table = np.stack([FEATURES[name](jets) for name in self.features], axis=1)
        table[~points.are_finite()] = np.nan
        return {"table": torch.from_numpy(table.astype(np.float32))}
