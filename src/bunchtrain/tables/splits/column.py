"""Split by a column that says it."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, one_of
from bunchtrain.tables.splits._split import Split

Value = int | str


class Column(Split):
    """Put an event into the set that one of its columns names, as `ttv` or `is_test`."""

    def __init__(
        self,
        *,
        column: str,
        train: Sequence[Value] = (0,),
        validation: Sequence[Value] = (1,),
        test: Sequence[Value] = (2,),
    ) -> None:
        values = [*train, *validation, *test]
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise StudyError(
                f"split: {one_of(map(str, twice))} of column '{column}' is in two sets; "
                "list each value once"
            )
        self.column = column
        self.sets = [list(train), list(validation), list(test)]

    def columns(self) -> list[str]:
        """Return the columns that it reads."""
        return [self.column]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each event, (events,).

        Raises DataError for a value that is listed for no set.
        """
        values = ak.to_numpy(events[self.column])
        chosen = np.full(len(values), -1, dtype=np.int8)
        for number, members in enumerate(self.sets):
            chosen[np.isin(values, _as_held(members, values.dtype, self.column))] = number
        if (left := np.flatnonzero(chosen < 0)).size:
            raise DataError(
                f"column '{self.column}', entry {entries[left[0]]}: the split lists "
                f"{values[left[0]]} for no set; add it to train, validation or test"
            )
        return chosen


def _as_held(members: list[Value], kind: np.dtype[np.generic], column: str) -> NDArray[np.generic]:
    if kind.kind not in "biuf":
        return np.array([str(member) for member in members], dtype=np.str_)
    try:
        return np.array([float(member) for member in members])
    except ValueError:
        raise DataError(
            f"column '{column}' holds {kind}, but the split lists {one_of(map(str, members))}; "
            "list numbers"
        ) from None
