"""Base of transforms of tables: a table made of the rows of another one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, nearest
from bunchtrain.tables.table import Table


def need_columns(names: Collection[str], available: Collection[str], where: str) -> None:
    """Raise DataError, with the nearest, for a column that is not there."""
    for name in names:
        if name not in available:
            raise DataError(f"{where}: there is no column '{name}'{nearest(name, available)}")


class Transform(Table):
    """The rows of a table, changed block by block.

    source  whose rows are transformed.
    """

    def __init__(self, source: Table) -> None:
        self.source = source

    @property
    def is_prepared(self) -> bool:
        """Whether the rows of the source can be read at once."""
        return self.source.is_prepared

    def prepare(self) -> None:
        """Create missing files of the source."""
        self.source.prepare()

    def fingerprint(self) -> str:
        """Return a text that changes with the content of the source or the transform."""
        return f"{self.describe()} of {self.source.fingerprint()}"

    def units(self) -> dict[str, str]:
        """Return column → unit, of the columns that keep their name."""
        return self.source.units()

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The small tables that belong to the source."""
        return self.source.conditions

    @property
    def note(self) -> str:
        """What was decided in opening the source."""
        return self.source.note

    @abstractmethod
    def describe(self) -> str:
        """Return the transform with its options as text."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""

    @abstractmethod
    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the transformed rows in order, as records of these columns."""

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the rows of at most `events` rows of the source, and their number (events,).

        It is one of each, unless a transform has other rows than its source.
        """
        for block in self.blocks(columns, events):
            yield block, np.ones(len(block), np.int64)

    def by_event(self, columns: Mapping[str, Any], counts: NDArray[np.int64]) -> dict[str, Any]:
        """Return columns of rows, (rows,), as columns of the rows of the source, in their order.

        columns  name → values (rows,), or lists of values.
        counts   (events,) rows of each row of the source.
        """
        return dict(columns)
