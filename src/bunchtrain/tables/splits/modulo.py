"""Split by event number modulo n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Whole
from bunchtrain.tables.splits._split import TEST, TRAIN, VALIDATION, Split, as_integers


class Modulo(Split):
    """Assign events by their event number modulo n, as the experiments do.

    Remainders that are neither in `validation` nor in `test` are used for training.

    modulo  divisor n.
    """

    def __init__(
        self,
        *,
        key: str,
        modulo: Annotated[int, Field(ge=2, le=1000000)] = 10,
        validation: Sequence[Whole] = (8,),
        test: Sequence[Whole] = (9,),
    ) -> None:
        for remainder in (*validation, *test):
            if not 0 <= remainder < modulo:
                raise StudyError(f"split: {remainder} is not a remainder modulo {modulo}")
        if both := set(validation) & set(test):
            raise StudyError(f"split: remainder {min(both)} is in both validation and test")
        if len({*validation, *test}) == modulo:
            raise StudyError("split: training needs at least one remainder")
        self.key = key
        self.sets = np.full(modulo, TRAIN, dtype=np.int8)
        self.sets[list(validation)] = VALIDATION
        self.sets[list(test)] = TEST

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return [self.key]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,)."""
        return self.sets[as_integers(events[self.key], self.key, entries) % len(self.sets)]
