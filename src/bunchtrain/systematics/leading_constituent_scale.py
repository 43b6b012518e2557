"""Energy scale of one particle: the hardest of a jet is measured too hard or too soft."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, nearest
from bunchtrain.systematics._systematic import Systematic, chosen_momenta


class LeadingConstituentScale(Systematic):
    """Scale of the hardest constituent alone, p → (1 + x) p with its direction kept.

    The columns of the jet itself stay as they are.

    arXiv:1904.10004

    Args:
        size: x of one standard deviation, 0.1 for 10 %.
        group: prefix of the list of particles, of which the one of largest pT is scaled.
    """

    def __init__(self, *, size: float = 0.1, group: str = "constituent") -> None:
        super().__init__(size)
        self.group = group

    def reads(self, wanted: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return the columns of pT, or px and py, if a momentum of the group is wanted.

        Raises DataError, with the nearest column, if there are none.
        """
        for mark in "_.":
            for names in (("pt",), ("px", "py")):
                found = {f"{self.group}{mark}{name}" for name in names}
                if found <= set(available):
                    return found if self._chosen(wanted) else set()
        raise DataError(
            f"systematic 'leading_constituent_scale': there are no columns '{self.group}_pt' or "
            f"'{self.group}_px' and '{self.group}_py'{nearest(f'{self.group}_px', available)}"
        )

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the group's momenta with that of the hardest particle scaled."""
        chosen = self._chosen(events.fields)
        if not chosen:
            return {}
        pt = self._pt(events)
        hardest = ak.fill_none(ak.argmax(pt, axis=1), -1)
        factor = ak.where(ak.local_index(pt) == hardest, np.float32(1 + amount), np.float32(1))
        return {name: events[name] * factor for name in chosen}

    def _chosen(self, columns: Collection[str]) -> list[str]:
        ours = [name for name in columns if name.startswith((f"{self.group}_", f"{self.group}."))]
        return chosen_momenta(ours, None)

    def _pt(self, events: ak.Array) -> ak.Array:
        names = sorted(self.reads(events.fields, dict.fromkeys(events.fields, "")))
        return sum(events[name] ** 2 for name in names) ** 0.5
