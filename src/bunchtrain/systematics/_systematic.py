"""What every systematic effect promises: events in, the same events as they would be shifted."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

#: Last word of a column → it is an energy, a momentum or a mass.
MOMENTA = frozenset({"pt", "px", "py", "pz", "e", "energy", "m", "mass", "met", "msoftdrop"})
#: First words of columns that hold what the generator knows, which no detector shifts.
TRUTH = ("truth", "gen", "true", "mc", "parton")


class Systematic(ABC):
    """A change of columns by an amount; one standard deviation of it is `size`."""

    def __init__(self, size: float) -> None:
        self.size = size

    def reads(self, wanted: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return the columns that it looks at to change the wanted ones, beside themselves."""
        return set()

    @abstractmethod
    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the columns that change, (events,) or (events, items), shifted by an amount.

        Args:
            events: records of the columns.
            entries: (events,) numbers of the events in their source, for random effects.
            amount: signed size of the shift, in the unit of the option `size`.
        """


def words(column: str) -> list[str]:
    """Return the words of a column's name, in lower case: `Jet_pt` is jet, pt."""
    return [word.lower() for word in re.split(r"[_.\s]+", column) if word]


def chosen_momenta(fields: Collection[str], columns: list[str] | None) -> list[str]:
    """Return the given columns that are there; energies, momenta and masses if none are given.

    Columns of the generator's truth are not among these.
    """
    if columns is not None:
        return [name for name in fields if name in columns]
    named = [(name, words(name)) for name in fields]
    return [n for n, w in named if w and w[-1] in MOMENTA and not w[0].startswith(TRUTH)]
