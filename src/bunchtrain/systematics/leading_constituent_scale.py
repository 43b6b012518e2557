"""Energy scale of the hardest particle of a jet."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, nearest
from bunchtrain.parts.ranges import Share
from bunchtrain.systematics._momenta import is_measured_momentum
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.momentum_names import components, find_momentum, group_members

#: The components of a momentum that have the unit of energy.
_SCALED = ("pt", "px", "py", "pz", "energy", "mass")


class LeadingConstituentScale(Systematic):
    """Scale of the hardest constituent, p → (1 + x) p; its direction is unchanged.

    The columns of the jet are unchanged.

    arXiv:1904.10004

    size   x of one standard deviation, 0.1 for 10 %.
    group  prefix of the list of particles, of which the one of largest pT is scaled.
    """

    participle = "scaled"

    def __init__(self, *, size: Share = 0.1, group: str = "constituent") -> None:
        super().__init__(size)
        self.group = group

    def required_columns(self, used: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return the columns of pT, or of px and py, if a momentum of the group is used.

        Raises DataError, naming the nearest column, if there are none.
        """
        found = self._transverse(available)
        if found:
            return found if self._momenta(used) else set()
        raise DataError(
            f"systematic 'leading_constituent_scale': there are no columns '{self.group}_pt' or "
            f"'{self.group}_px' and '{self.group}_py'{nearest(f'{self.group}_px', available)}"
        )

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the momenta of the group, with that of the hardest particle scaled."""
        momenta = self._momenta(events.fields)
        if not momenta:
            return {}
        names = sorted(self._transverse(events.fields))
        pt = sum(events[name] ** 2 for name in names) ** 0.5
        hardest = ak.fill_none(ak.argmax(pt, axis=1), -1)
        factor = ak.where(ak.local_index(pt) == hardest, np.float32(1 + amount), np.float32(1))
        return {name: events[name] * factor for name in momenta}

    def _transverse(self, columns: Collection[str]) -> set[str]:
        """Return the column of pT, or those of px and py, of the group."""
        found = self._components(columns)
        if "pt" in found:
            return {found["pt"]}
        return {found["px"], found["py"]} if {"px", "py"} <= found.keys() else set()

    def _components(self, columns: Collection[str]) -> dict[str, str]:
        members = group_members(self.group, columns)
        return find_momentum(members) | components(members)

    def _momenta(self, columns: Collection[str]) -> list[str]:
        axes = {column for axis, column in self._components(columns).items() if axis in _SCALED}
        members = group_members(self.group, columns).values()
        return [name for name in members if name in axes or is_measured_momentum(name)]
