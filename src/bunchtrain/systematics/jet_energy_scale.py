"""Energy scale: a common factor on all momenta and masses."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import Share
from bunchtrain.systematics._momenta import check_columns, jet_momenta
from bunchtrain.systematics._systematic import Systematic


class JetEnergyScale(Systematic):
    """Scale of energies, p → (1 + x) p for jets and their constituents.

    Angles and energy fractions are unchanged. Columns that `define` computes from these shift, too.

    size     x of one standard deviation, 0.02 for 2 %.
    columns  to scale; if unset, those whose names are of energies, momenta and masses and not of
             leptons, photons, missing momentum or the generator level. Both lists are printed.
    """

    participle = "scaled"

    def __init__(self, *, size: Share = 0.02, columns: list[str] | None = None) -> None:
        super().__init__(size)
        self.columns = columns

    def required_columns(self, used: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return no further columns; raises StudyError for one that the source does not have."""
        check_columns("jet_energy_scale.columns", self.columns or (), available)
        return set()

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the scaled columns."""
        chosen = jet_momenta(events.fields, self.columns)
        return {name: events[name] * np.float32(1 + amount) for name in chosen}
