"""Efficiency: random loss of particles."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import Seed, Share
from bunchtrain.systematics._momenta import is_truth
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.hashing import hash_ids, uniform


class ConstituentEfficiency(Systematic):
    """Loss of particles: each is lost with probability |x|, independently of the others.

    The columns of the jet are unchanged.

    size    x of one standard deviation, 0.03 for 3 %.
    groups  prefixes of the lists that lose items, such as `constituent`; if unset, all lists except
            those of the generator level.
    seed    of the random losses.
    """

    participle = "reduced"

    def __init__(
        self, *, size: Share = 0.03, groups: list[str] | None = None, seed: Seed = 1
    ) -> None:
        super().__init__(size)
        self.groups, self.seed = groups, seed

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the lists without the lost items."""
        found = {}
        for name in events.fields:
            if events[name].ndim == 2 and self._is_selected(name):
                found[name] = events[name][self._is_detected(events[name], entries, abs(amount))]
        return found

    def _is_selected(self, column: str) -> bool:
        groups = self.groups
        if groups is None:
            return not is_truth(column)
        return any(column.startswith((f"{g}_", f"{g}.")) for g in groups)

    def _is_detected(self, column: ak.Array, entries: NDArray[np.int64], loss: float) -> ak.Array:
        """Return whether each item is detected: the same for all columns of an event's list."""
        index = ak.flatten(ak.local_index(column))
        sizes = ak.to_numpy(ak.num(column))
        event = np.repeat(entries, sizes)
        random = uniform(hash_ids(self.seed, "loss", event, ak.to_numpy(index).astype(np.int64)))
        return ak.unflatten(random >= loss, sizes)
