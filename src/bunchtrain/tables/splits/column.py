"""Split by the values of a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, one_of
from bunchtrain.parts.ranges import Whole
from bunchtrain.tables.splits._split import Split, one_per_event

Value = Whole | str


class Column(Split):
    """Assign events by the value of a column, such as `ttv` or `is_test`.

    column  name of the column.
    """

    def __init__(
        self,
        *,
        column: str,
        train: Sequence[Value] = (0,),
        validation: Sequence[Value] = (1,),
        test: Sequence[Value] = (2,),
    ) -> None:
        values = [*train, *validation, *test]
        duplicates = {value for value in values if values.count(value) > 1}
        if duplicates:
            raise StudyError(
                f"split: {one_of(map(str, duplicates))} of column '{column}' is in two sets; "
                "list each value once"
            )
        self.column = column
        self.sets = [list(train), list(validation), list(test)]

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return [self.column]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,).

        Raises DataError for a value that is not in the list of any set.
        """
        values = one_per_event(events[self.column])
        if values is None or values.dtype.kind not in "biufU":
            raise DataError(
                f"column '{self.column}' of the split has type {events[self.column].type}, not "
                "one number or text per event; choose another column"
            )
        sets = np.full(len(values), -1, dtype=np.int8)
        for index, listed in enumerate(self.sets):
            sets[np.isin(values, _convert(listed, values.dtype, self.column))] = index
        if (bad := np.flatnonzero(sets < 0)).size:
            raise DataError(
                f"column '{self.column}', entry {entries[bad[0]]}: the value "
                f"{values[bad[0]]} is in no set of the split; add it to train, validation or test"
            )
        return sets


def _convert(listed: list[Value], kind: np.dtype[Any], column: str) -> NDArray[np.generic]:
    if kind.kind not in "biuf":
        return np.array([str(value) for value in listed], dtype=np.str_)
    try:
        if kind.kind not in "iu":
            return np.array([float(value) for value in listed])
        limits = np.iinfo(kind)  # floats would confuse integers above 2**53
        numbers = [value if isinstance(value, int) else float(value) for value in listed]
        possible = [int(n) for n in numbers if limits.min <= n <= limits.max and n == int(n)]
        return np.array(possible, dtype=kind)
    except ValueError:
        raise DataError(
            f"column '{column}' has type {kind}, but the split lists {one_of(map(str, listed))}; "
            "list numbers"
        ) from None
