"""Base of transforms of tables: a source made of the rows of another source."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator

import awkward as ak

from bunchtrain.tables.source import Source


class Transform(Source):
    """The rows of a source, changed block by block.

    source  whose rows are transformed.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    @property
    def is_prepared(self) -> bool:
        """Whether the events of the source can be read at once."""
        return self.source.is_prepared

    def prepare(self) -> None:
        """Create missing files of the source."""
        self.source.prepare()

    def fingerprint(self) -> str:
        """Return a text that changes with the content of the source or the transform."""
        return f"{self.describe()} of {self.source.fingerprint()}"

    @abstractmethod
    def describe(self) -> str:
        """Return the transform with its options as text."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""

    @abstractmethod
    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the transformed rows in order, as records of these columns."""
