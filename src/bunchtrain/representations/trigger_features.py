"""The 16 high-level jet features of the trigger benchmark."""

from __future__ import annotations

import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Events, InnerFraction, Radius
from bunchtrain.physics.energy_correlators import energy_correlators
from bunchtrain.physics.generalised_correlators import three_point_correlators
from bunchtrain.physics.kinematics import invariant_mass, transverse
from bunchtrain.physics.measures import fractions
from bunchtrain.physics.packed import MEMORY, Floats, Ints, sum_by_jet
from bunchtrain.physics.shapes import dispersion
from bunchtrain.physics.soft_drop import soft_drop_points
from bunchtrain.representations._jet_table import JetTable
from bunchtrain.representations._packed import Normalise

#: In the order and under the names of the published sample (OpenML 42468).
NAMES = [
    "zlogz",
    *(f"c1_b{beta}_mmdt" for beta in (0, 1, 2)),
    *(f"{name}_b{beta}_mmdt" for name in ("c2", "d2") for beta in (1, 2)),
    *(f"d2_a1_b{beta}_mmdt" for beta in (1, 2)),
    *(f"{name}_b{beta}_mmdt" for name in ("m2", "n2") for beta in (1, 2)),
    "mass_mmdt",
    "multiplicity",
]


class TriggerFeatures(JetTable):
    """The 16 features of the published trigger benchmark: Σ z log z, C, D, M, N, mass, count.

    z_cut     of the modified mass-drop tagger (soft drop with β = 0).
    radius    of the jets, the scale of angles.
    where     condition that a point must fulfil, e.g. `pt > 0.1`.
    memory    bound in bytes on the memory of the computation.

    All but zlogz = Σ z ln z with z = pT_i / Σ pT, and the multiplicity, are those of the groomed
    jet. With the correlators ᵥeₙ of angles to the power β (b0, b1, b2): C₁ = e₂, C₂ = e₃ / e₂²,
    D₂ = e₃ / e₂³, M₂ = ₁e₃ / e₂, N₂ = ₂e₃ / e₂² and, a1 with angles to the power 1 in e₃ alone,
    D₂^(1,β) = e₃^(1) / (e₂^(β))^(3/β); ratios with a zero denominator are 0. D₂^(1,1) is D₂ with
    β = 1, as in the published sample.

    arXiv:1804.06913, arXiv:1709.08705, arXiv:1609.07483
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        z_cut: InnerFraction = 0.1,
        radius: Radius = 0.8,
        where: str | None = None,
        memory: Events = MEMORY,
        normalise: Normalise = "standard",
    ) -> None:
        if not 0 < z_cut < 0.5:
            raise StudyError(f"z_cut must lie between 0 and 0.5, got {z_cut}")
        super().__init__(group, where, memory, normalise)
        self.z_cut, self.radius = z_cut, radius

    @property
    def observables(self) -> list[str]:
        """Return the features."""
        return list(NAMES)

    def compute(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return the features of each jet."""
        kept = soft_drop_points(
            momenta, lengths, self.z_cut, radius=self.radius, memory=self.memory
        )
        groomed, left = momenta[kept], sum_by_jet(kept, lengths).astype(np.int64)
        share = fractions(transverse(momenta[:, 1], momenta[:, 2]), lengths)
        entropy = sum_by_jet(share * np.log(np.where(share > 0, share, 1)), lengths)
        mass = invariant_mass(sum_by_jet(groomed, left))
        return np.column_stack([entropy, self.correlators(groomed, left), mass, lengths])

    def correlators(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return the 13 features of groomed jets that are ratios of correlators."""
        one, two = (
            energy_correlators(momenta, lengths, beta, self.memory).T for beta in (1.0, 2.0)
        )
        flat = (1 - dispersion(transverse(momenta[:, 1], momenta[:, 2]), lengths) ** 2) / 2
        few = three_point_correlators(momenta, lengths, (1.0, 2.0), self.memory)
        safe = [np.where(each[0] > 0, each[0], 1) for each in (one, two)]
        series = [
            [e[1] / s**2, e[1] / s**3, few[:, i, 0] / s, few[:, i, 1] / s**2]
            for i, (e, s) in enumerate(zip((one, two), safe, strict=True))
        ]
        c2, d2, m2, n2 = zip(*series, strict=True)
        mixed = [one[1] / s ** (3 / beta) for beta, s in enumerate(safe, 1)]
        return np.column_stack(
            [np.where(lengths > 0, flat, 0), one[0], two[0], *c2, *d2, *mixed, *m2, *n2]
        )
