"""Split by time: training before validation before test, so that no model has seen the future."""

from __future__ import annotations

from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.tables.splits._split import TEST, TRAIN, VALIDATION, Split
from bunchtrain.tables.splits.blocks import finite_column

Moment = Annotated[float, Field(ge=-1e18, le=1e18)]


class Time(Split):
    """Assign rows by a column: training below `validation_from`, test from `test_from` on.

    column           time, run or another number that orders the rows.
    validation_from  first value of the validation set, in the column's unit.
    test_from        first value of the test set.
    """

    def __init__(self, *, column: str, validation_from: Moment, test_from: Moment) -> None:
        if not validation_from < test_from:
            raise StudyError(
                f"split: validation_from ({validation_from:g}) must be below test_from "
                f"({test_from:g})"
            )
        self.column, self.limits = column, (validation_from, test_from)

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return [self.column]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each row, (rows,)."""
        values = finite_column(events, self.column, entries)
        first, second = self.limits
        sets = np.where(values < first, TRAIN, np.where(values < second, VALIDATION, TEST))
        return sets.astype(np.int8)
