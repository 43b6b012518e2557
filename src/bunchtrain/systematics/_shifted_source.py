"""A source whose events are shifted by a systematic effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError, one_of
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform


class ShiftedSource(Transform):
    """Events of a source, shifted before definitions, selection and representation.

    source      of the events.
    systematic  effect.
    amount      signed size of the shift.
    """

    def __init__(self, source: Table, systematic: Systematic, amount: float) -> None:
        super().__init__(source)
        self.systematic, self.amount = systematic, amount
        #: The columns that the effect changed in the last pass over the events.
        self.changed: set[str] = set()

    def describe(self) -> str:
        """Return the effect with its options and its size as text."""
        options = sorted((k, str(v)) for k, v in vars(self.systematic).items())
        return f"{type(self.systematic).__name__} {options} {self.amount}"

    def fingerprint(self) -> str:
        """Return the fingerprint of the source, with the effect."""
        return f"{self.source.fingerprint()} {self.describe()}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text, those of the source."""
        return self.source.fields()

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the shifted events in the order of the source, in chunks of at most `rows`."""
        extra = self.systematic.required_columns(columns, self.fields())
        first = 0
        for chunk in self.source.blocks(sorted({*columns, *extra}), rows):
            entries = np.arange(first, first + len(chunk), dtype=np.int64)
            first += len(chunk)
            changed = self.systematic(chunk, entries, self.amount)
            self.changed |= changed.keys() & set(columns)
            if not self.changed:
                raise StudyError(
                    f"systematic '{type(self.systematic).__module__.rpartition('.')[2]}' changes "
                    f"none of the columns that the study uses: {one_of(columns)}; list the columns "
                    "to change in its option 'columns'"
                )
            yield ak.zip({name: changed.get(name, chunk[name]) for name in columns}, depth_limit=1)
