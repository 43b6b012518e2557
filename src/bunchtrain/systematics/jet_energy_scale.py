"""Energy scale: a common factor on all momenta and masses."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import Share
from bunchtrain.systematics._systematic import Systematic, select_momenta


class JetEnergyScale(Systematic):
    """Scale of energies, p → (1 + x) p for jets and their constituents.

    Angles and energy fractions are unchanged. Columns that `define` computes from these shift, too.

    size     x of one standard deviation, 0.02 for 2 %.
    columns  to scale; all energies, momenta and masses except generator-level ones if unset.
    """

    def __init__(self, *, size: Share = 0.02, columns: list[str] | None = None) -> None:
        super().__init__(size)
        self.columns = columns

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the scaled columns."""
        chosen = select_momenta(events.fields, self.columns)
        return {name: events[name] * np.float32(1 + amount) for name in chosen}
