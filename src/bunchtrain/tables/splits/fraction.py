"""Split by fractions of the events."""

from __future__ import annotations

import math
from collections.abc import Sequence

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import UnitFraction
from bunchtrain.tables.hashing import hash_ids, uniform
from bunchtrain.tables.splits._split import Split, event_ids, key_columns


class Fraction(Split):
    """Assign random fractions of the events to training, validation and test.

    The random number of an event is a hash of seed and event, so that its set does not depend on
    how the file is read. With `key`, the columns that identify an event, such as
    [run, luminosityBlock, event], all rows of an event are in the same set.
    """

    def __init__(
        self,
        *,
        train: UnitFraction = 0.6,
        validation: UnitFraction = 0.2,
        test: UnitFraction = 0.2,
        key: str | Sequence[str] | None = None,
    ) -> None:
        fractions = (train, validation, test)
        if min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
            raise StudyError(
                f"split: train, validation and test are {train:g}, {validation:g} and {test:g}; "
                "give fractions that sum to 1"
            )
        self.edges = np.cumsum(fractions)[:2]
        self.key = key

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return key_columns(self.key)

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,)."""
        random = uniform(hash_ids(seed, "split", *event_ids(events, entries, self.key)))
        return np.searchsorted(self.edges, random, side="right").astype(np.int8)
