"""N-subjettiness that spans the phase space of M bodies: the inputs of a multi-body tagger."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Events, Radius
from bunchtrain.physics.kinematics import invariant_mass, transverse
from bunchtrain.physics.n_subjettiness import Axes, many_n_subjettiness, phase_space_basis
from bunchtrain.physics.packed import MEMORY, Floats, Ints, sum_by_jet
from bunchtrain.representations._jet_table import JetTable
from bunchtrain.representations._packed import Normalise


class NSubjettinessBasis(JetTable):
    """The 3M − 4 N-subjettinesses that span M-body phase space, with the jet's pT and mass.

    With N axes a in the jet and its radius R₀,

        τ_N^β = Σ_i pT_i min_a ΔR_ia^β / Σ_i pT_i R₀^β,   β = ½, 1, 2.

    bodies  M, 2 or more; the published multi-body taggers have 6 and 8.
    axes    of the exclusive kT jets, kept (kt) or moved to a local minimum (one_pass_kt).
    radius  of the jets, the scale of angles.
    where   condition that a point must fulfil, e.g. `pt > 0.1`.
    memory  bound in bytes on the memory of the computation.

    The columns are pt and mass in GeV, tau1_0.5, tau1_1, tau1_2 and so on to τ_{M−1}, which has
    no β = ½.

    arXiv:1704.08249, arXiv:1807.04769
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        bodies: Annotated[int, Field(ge=2, le=30)] = 8,
        axes: Axes = "kt",
        radius: Radius = 0.8,
        where: str | None = None,
        memory: Events = MEMORY,
        normalise: Normalise = "standard",
    ) -> None:
        if bodies < 2:
            raise StudyError(f"the phase space of {bodies} bodies has no basis; give 2 or more")
        super().__init__(group, where, memory, normalise)
        self.axes, self.radius = axes, radius
        self.basis = phase_space_basis(bodies)

    @property
    def observables(self) -> list[str]:
        """Return the observables."""
        return ["pt", "mass", *(f"tau{number}_{beta:g}" for number, beta in self.basis)]

    def compute(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return pT, mass and the basis of each jet."""
        taus = many_n_subjettiness(
            momenta, lengths, self.basis, self.axes, self.radius, self.memory
        )
        total = sum_by_jet(momenta, lengths)
        pt = transverse(total[:, 1], total[:, 2])
        return np.column_stack([pt, invariant_mass(total), taus])
