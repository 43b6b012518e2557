"""Energy resolution: the momenta of each event are smeared further by a Gaussian."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bunchtrain.systematics._systematic import Systematic, chosen_momenta
from bunchtrain.tables.hashing import hashed, uniform


class JetEnergyResolution(Systematic):
    """Additional smearing of energies, p → (1 + x z) p with one normal z an event.

    z belongs to the event, so that up and down are mirror images and the shift is reproducible.

    Args:
        size: x of one standard deviation, 0.05 for 5 %.
        columns: that are smeared; all energies, momenta and masses, but those of the truth, if
            unset.
        seed: of z.
    """

    def __init__(
        self, *, size: float = 0.05, columns: list[str] | None = None, seed: int = 1
    ) -> None:
        super().__init__(size)
        self.columns, self.seed = columns, seed

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the smeared columns."""
        z = norm.ppf(uniform(hashed(self.seed, "smear", entries)) + 2.0**-54)
        factor = np.maximum(1 + amount * z, 0).astype(np.float32)
        chosen = chosen_momenta(events.fields, self.columns)
        return {name: events[name] * factor for name in chosen}
