"""Split by time: training before validation before test, so that no model has seen the future."""

from __future__ import annotations

from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.tables.expressions.lists import Problem
from bunchtrain.tables.expressions.times import parse_time, seconds
from bunchtrain.tables.splits._split import TEST, TRAIN, VALIDATION, Split
from bunchtrain.tables.splits.blocks import finite_column

#: A number in the unit of the column, or a date of ISO 8601.
Moment = (
    Annotated[float, Field(ge=-1e18, le=1e18)]
    | Annotated[str, Field(max_length=40, pattern=r"^\d{4}-\d{2}-\d{2}")]
)


class Time(Split):
    """Assign rows by a column: training below `validation_from`, test from `test_from` on.

    column           time, run or another number that orders the rows.
    validation_from  first value of the validation set, in the column's unit; of a column of times
                     a text such as '2024-05-31T12:00', or seconds since 1970.
    test_from        first value of the test set.
    """

    def __init__(self, *, column: str, validation_from: Moment, test_from: Moment) -> None:
        self.column, self.limits = column, (_value(validation_from), _value(test_from))
        if not self.limits[0] < self.limits[1]:
            first, second = (
                one if isinstance(one, str) else f"{one:g}" for one in (validation_from, test_from)
            )
            raise StudyError(f"split: validation_from ({first}) must be below test_from ({second})")

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return [self.column]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each row, (rows,)."""
        values = finite_column(events, self.column, entries)
        first, second = self.limits
        sets = np.where(values < first, TRAIN, np.where(values < second, VALIDATION, TEST))
        return sets.astype(np.int8)


def _value(moment: Moment) -> float:
    """Return a limit as a number, a date in seconds since 1970."""
    if not isinstance(moment, str):
        return moment
    try:
        return float(seconds(np.array([parse_time(moment)]))[0])
    except Problem as problem:
        raise StudyError(f"split: {problem}") from None
