"""Base of sources that generate events in memory, in parts with a seed each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from typing import ClassVar

import awkward as ak

from bunchtrain.tables.sources.files import unknown_column
from bunchtrain.tables.table import Piece, Table, divide


class SeededParts(Table):
    """Events that are generated again at each reading, a part of them from one seed."""

    #: Name of the source, in messages.
    name: ClassVar[str]
    #: Events that are generated with one seed.
    part: ClassVar[int]
    #: Column → awkward type as text.
    layout: ClassVar[dict[str, str]]
    events: int

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return dict(self.layout)

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in blocks of at most `rows`."""
        for piece in self.pieces(rows):
            yield from self.blocks_of(piece, columns, rows)

    def pieces(self, rows: int) -> list[Piece]:
        """Return the parts, each of a seed of its own."""
        starts = range(0, self.events, self.part)
        sizes = [min(self.part, self.events - start) for start in starts]
        return divide(sizes, [[0]] * len(starts))

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events of a part."""
        for column in columns:
            if column not in self.layout:
                raise unknown_column(column, self.layout, self.name)
        table = self.generate(piece.file)[: piece.stop][list(columns)]
        for start in range(0, len(table), rows):
            yield table[start : start + rows]

    @abstractmethod
    def generate(self, part: int) -> ak.Array:
        """Return all events of a part, with the columns of `layout`."""
