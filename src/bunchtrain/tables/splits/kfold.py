"""k-fold split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Repeats
from bunchtrain.tables.hashing import hash_ids
from bunchtrain.tables.splits._split import TEST, TRAIN, VALIDATION, Split, event_ids, key_columns


class Kfold(Split):
    """Use one of k random folds as test set, the next one for validation, all others for training.

    Each event is in the test set of exactly one of the folds 0 … folds − 1 with the same seed.

    folds  number of folds.
    fold   index of the fold that is the test set.
    """

    def __init__(
        self,
        *,
        folds: Repeats = 5,
        fold: Annotated[int, Field(ge=0, le=9999)] = 0,
        key: str | Sequence[str] | None = None,
    ) -> None:
        if folds < 3:
            raise StudyError(
                f"split.folds is {folds}; use 3 or more for training, validation and test"
            )
        if not 0 <= fold < folds:
            raise StudyError(f"split.fold is {fold}; use 0 to {folds - 1}")
        self.folds, self.fold, self.key = folds, fold, key

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return key_columns(self.key)

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,)."""
        hashes = hash_ids(seed, "split", *event_ids(events, entries, self.key))
        offset = (hashes % np.uint64(self.folds)).astype(np.int64) - self.fold
        sets = np.full(self.folds, TRAIN, dtype=np.int8)
        sets[:2] = TEST, VALIDATION
        return sets[offset % self.folds]
