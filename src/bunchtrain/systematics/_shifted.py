"""A source whose events come as they would under a systematic effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError, one_of
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.source import Source


class Shifted(Source):
    """Events of a source, shifted before anything is defined, selected or represented.

    Args:
        source: of the events.
        systematic: effect.
        amount: signed size of the shift.
    """

    def __init__(self, source: Source, systematic: Systematic, amount: float) -> None:
        self.source, self.systematic, self.amount = source, systematic, amount

    def prepare(self) -> None:
        """Make what the source lacks."""
        self.source.prepare()

    def fingerprint(self) -> str:
        """Return the source's, with effect and amount."""
        options = sorted((k, str(v)) for k, v in vars(self.systematic).items())
        return f"{self.source.fingerprint()} {type(self.systematic).__name__} {options} " + str(
            self.amount
        )

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text, as the source has them."""
        return self.source.fields()

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the shifted events in the order of the source, at most `rows` at once."""
        extra = self.systematic.reads(columns, self.fields())
        first = 0
        for chunk in self.source.chunks(sorted({*columns, *extra}), rows):
            entries = np.arange(first, first + len(chunk), dtype=np.int64)
            first += len(chunk)
            changed = self.systematic(chunk, entries, self.amount)
            if not changed.keys() & set(columns):
                raise StudyError(
                    f"systematic '{type(self.systematic).__module__.rpartition('.')[2]}' changes "
                    f"none of the columns that the study reads: {one_of(columns)}; name those that "
                    "it should change in its option 'columns'"
                )
            yield ak.zip({name: changed.get(name, chunk[name]) for name in columns}, depth_limit=1)
