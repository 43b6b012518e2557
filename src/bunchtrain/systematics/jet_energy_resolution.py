"""Energy resolution: additional Gaussian smearing of the momenta of each event."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bunchtrain.parts.ranges import Seed, Share
from bunchtrain.systematics._momenta import check_columns, jet_momenta
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.hashing import hash_ids, uniform


class JetEnergyResolution(Systematic):
    """Additional smearing of energies, p → (1 + x z) p with one standard normal z per event.

    z is a hash of the event, so that the shift is reproducible and up and down are opposite.

    size     x of one standard deviation, 0.05 for 5 %.
    columns  to smear; if unset, those whose names are of energies, momenta and masses and not of
             leptons, photons, missing momentum or the generator level. Both lists are printed.
    seed     of z.
    """

    participle = "smeared"

    def __init__(
        self, *, size: Share = 0.05, columns: list[str] | None = None, seed: Seed = 1
    ) -> None:
        super().__init__(size)
        self.columns, self.seed = columns, seed

    def required_columns(self, used: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return no further columns; raises StudyError for one that the source does not have."""
        check_columns("jet_energy_resolution.columns", self.columns or (), available)
        return set()

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the smeared columns."""
        z = ndtri(uniform(hash_ids(self.seed, "smear", entries)) + 2.0**-54)
        factor = np.maximum(1 + amount * z, 0).astype(np.float32)
        chosen = jet_momenta(events.fields, self.columns)
        return {name: events[name] * factor for name in chosen}
