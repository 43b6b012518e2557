"""Split by event number modulo n."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError
from bunchtrain.tables.splits._split import TEST, TRAIN, VALIDATION, Split, whole_numbers


class Modulo(Split):
    """Put an event into the set of its number modulo n: the experiments' own way to split.

    Remainders that are neither in `validation` nor in `test` are for training.
    """

    def __init__(
        self,
        *,
        key: str,
        modulo: int = 10,
        validation: Sequence[int] = (8,),
        test: Sequence[int] = (9,),
    ) -> None:
        for remainder in (*validation, *test):
            if not 0 <= remainder < modulo:
                raise StudyError(f"split: {remainder} is no remainder modulo {modulo}")
        if both := set(validation) & set(test):
            raise StudyError(f"split: remainder {min(both)} is in both validation and test")
        if len({*validation, *test}) == modulo:
            raise StudyError("split: no remainder is left for training")
        self.key = key
        self.sets = np.full(modulo, TRAIN, dtype=np.int8)
        self.sets[list(validation)] = VALIDATION
        self.sets[list(test)] = TEST

    def columns(self) -> list[str]:
        """Return the columns that it reads."""
        return [self.key]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,)."""
        return self.sets[whole_numbers(events[self.key], self.key, entries) % len(self.sets)]
