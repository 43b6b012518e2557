"""Interface of a systematic effect: columns of events → shifted columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import one_of


class Systematic(ABC):
    """A shift of columns by an amount; one standard deviation is `size`."""

    #: What happens to the columns that it changes, in messages.
    participle = "shifted"

    def __init__(self, size: float) -> None:
        self.size = size

    def required_columns(self, used: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return further columns that are needed to shift those that are used.

        Raises StudyError for an option that names a column that the source does not have.
        """
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


def describe_shift(
    name: str, systematic: Systematic, columns: Mapping[str, Collection[str]], limit: int = 20
) -> str:
    """Return `jet_energy_scale: scaled: jet_pt; not scaled: met`.

    columns  `changed` and `unchanged`, those of the study's columns; `inputs`, the changed ones
             that a model or the selection uses.
    """
    changed, unchanged = (one_of(columns[key], limit) or "none" for key in ("changed", "unchanged"))
    done = systematic.participle
    useless = "" if columns["inputs"] else "; no input of a model changes, and so no score does"
    return f"{name}: {done}: {changed}; not {done}: {unchanged}{useless}"
