"""Split into k folds."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError
from bunchtrain.tables.hashing import hashed
from bunchtrain.tables.splits._split import TEST, TRAIN, VALIDATION, Split, identity, listed


class Kfold(Split):
    """Test on one of k random folds, validate on the next one and train on all others.

    Runs with the same seed and fold = 0 … folds − 1 test every event exactly once.
    """

    def __init__(
        self, *, folds: int = 5, fold: int = 0, key: str | Sequence[str] | None = None
    ) -> None:
        if folds < 3:
            raise StudyError(
                f"split.folds is {folds}; training, validation and test need 3 or more"
            )
        if not 0 <= fold < folds:
            raise StudyError(f"split.fold is {fold}; it counts from 0 to {folds - 1}")
        self.folds, self.fold, self.key = folds, fold, key

    def columns(self) -> list[str]:
        """Return the columns that it reads."""
        return listed(self.key)

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,)."""
        number = hashed(seed, "split", *identity(events, entries, self.key))
        ahead = (number % np.uint64(self.folds)).astype(np.int64) - self.fold
        sets = np.full(self.folds, TRAIN, dtype=np.int8)
        sets[:2] = TEST, VALIDATION
        return sets[ahead % self.folds]
