"""Rows of a table that fulfil a condition, e.g. the background of a simulation with a signal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.parts.ranges import Finite
from bunchtrain.tables.expressions.expression import Expression, as_mask
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform, need_columns


class Select(Transform):
    """The rows of a table for which a condition is true, in their order.

    where      condition in the columns of the table, e.g. `is_signal == 0 and jet_pt > 500`.
    constants  names of numbers in the condition, `{centre: 3.5}` for `abs(mass - centre) < 0.1`,
               which a stage `repeat` can vary.
    """

    def __init__(
        self, source: Table, *, where: str, constants: Mapping[str, Finite] | None = None
    ) -> None:
        super().__init__(source)
        self.where, self.row, available = Expression(where), source.row, source.fields()
        self.constants = dict(constants or {})
        for name in self.constants:
            if name in available:
                raise DataError(f"transform 'select', constants: '{name}' is a column of the table")
            if name not in self.where.columns:
                hint = nearest(name, self.where.columns - {*available})
                raise StudyError(
                    f"transform 'select', constants: there is no '{name}' in 'where'{hint}"
                )
        self._columns = self.where.columns - {*self.constants}
        need_columns(self._columns, available, "transform 'select', where")

    def describe(self) -> str:
        """Return the transform with its options as text."""
        constants = f" {self.constants}" if self.constants else ""
        return f"select {self.where.text}{constants}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return self.source.fields()

    @property
    def order(self) -> str | None:
        """The column in whose order the rows of the source are."""
        return self.source.order

    @property
    def why_empty(self) -> str:
        """The reason for a table without rows, in messages."""
        return f"no row fulfils 'where: {self.where.text}'"

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the selected rows, in blocks of at most `rows`."""
        for block, _ in self.blocks_of_events(columns, rows):
            yield block

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the selected rows of at most `events` rows of the source, and 0 or 1 for each."""
        needed = list(dict.fromkeys([*columns, *self._columns]))
        for block in self.source.blocks(needed, events):
            constants = {n: ak.Array(np.full(len(block), v)) for n, v in self.constants.items()}
            mask = as_mask(self.where(block, constants), self.where.text)
            yield block[mask][list(columns)], mask.astype(np.int64)
