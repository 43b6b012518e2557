"""Interface of a systematic effect: columns of events → shifted columns."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

#: Last words of the names of energies, momenta and masses.
MOMENTA = frozenset({"pt", "px", "py", "pz", "e", "energy", "m", "mass", "met", "msoftdrop"})
#: First words of the names of generator-level columns, to which no detector effect applies.
TRUTH = ("truth", "gen", "true", "mc", "parton")


class Systematic(ABC):
    """A shift of columns by an amount; one standard deviation is `size`."""

    def __init__(self, size: float) -> None:
        self.size = size

    def required_columns(self, used: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return further columns that are needed to shift those that are used."""
        return set()

    @abstractmethod
    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the shifted columns, (events,) or (events, items).

        events   records of the columns.
        entries  (events,) indices of the events in their source, for random effects.
        amount   signed size of the shift, in the unit of the option `size`.
        """


def select_momenta(fields: Collection[str], columns: list[str] | None) -> list[str]:
    """Return those of `columns` that exist; without `columns` all energies, momenta and masses.

    Generator-level columns are excluded from the latter.
    """
    if columns is not None:
        return [name for name in fields if name in columns]
    words = {name: [w for w in re.split(r"[_.\s]+", name.lower()) if w] for name in fields}
    return [n for n, w in words.items() if w and w[-1] in MOMENTA and not w[0].startswith(TRUTH)]
