"""Split by blocks of consecutive values of a column, such as minutes, runs or luminosity blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.tables.expressions.expression import as_real
from bunchtrain.tables.hashing import hash_ids, uniform
from bunchtrain.tables.labels import require_finite
from bunchtrain.tables.splits._split import Split, event_ids, key_columns
from bunchtrain.tables.splits.fraction import Fraction


class Blocks(Split):
    """Assign blocks of rows to training, validation and test at random.

    Rows with the same ⌊column / width⌋, and the same values of `key`, are in the same set: rows
    that are close in time are similar, and would make a test set too easy if they were divided.

    column  time, run or another number that orders the rows.
    width   width of a block in the column's unit, e.g. 600 for ten minutes in seconds.
    key     further columns that identify a block, e.g. `run`.
    """

    def __init__(
        self,
        *,
        column: str,
        width: Annotated[float, Field(gt=0, le=1e18)],
        train: Annotated[float, Field(ge=0, le=1)] = 0.6,
        validation: Annotated[float, Field(ge=0, le=1)] = 0.2,
        test: Annotated[float, Field(ge=0, le=1)] = 0.2,
        key: str | Sequence[str] | None = None,
    ) -> None:
        self.column, self.width, self.key = column, width, key
        self.edges = Fraction(train=train, validation=validation, test=test).edges

    def columns(self) -> list[str]:
        """Return the columns that the split uses."""
        return [self.column, *key_columns(self.key)]

    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 for each row, (rows,)."""
        block = np.floor(finite_column(events, self.column, entries) / self.width)
        ids = [block.astype(np.int64)]
        if self.key is not None:
            ids += event_ids(events, entries, self.key)
        random = uniform(hash_ids(seed, "split", *ids))
        return np.searchsorted(self.edges, random, side="right").astype(np.int8)


def finite_column(events: ak.Array, name: str, entries: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a column as real numbers (rows,).

    Raises DataError, naming column and entry, for NaN or infinity.
    """
    values = as_real(events[name], name)
    require_finite(values, f"split: column '{name}'", entries)
    return values
