"""The interface of every table: typed columns with units on named axes, read in blocks.

Files, simulations, the event cache, predictions, arrays in memory, rows of an object and windows of
a series are tables.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Literal

import awkward as ak

#: What the values of a column are; a record has several numbers, as a four-vector.
ValueKind = Literal["real", "integer", "boolean", "text", "time", "record"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    axis   what each value belongs to: `event`, `event.Jet` for a list of jets, `event.jet.track`
           for lists of lists.
    kind   of its values.
    shape  of the value of each row of the axis, () for one number.
    unit   of its values, '' if there is none or it is unknown.
    type   awkward type of a row as text, `var * float32`.
    """

    axis: str
    kind: ValueKind
    shape: tuple[int, ...] = ()
    unit: str = ""
    type: str = ""


@dataclass(frozen=True)
class Piece:
    """A range of the rows of a table that can be read on its own.

    first        index in the table of its first row.
    file         index of the file in which it lies.
    start, stop  its rows in this file.
    """

    first: int
    file: int
    start: int
    stop: int


class Table(ABC):
    """Rows with typed columns, read in order in blocks.

    A column has one value in each row (`met`), a list (`Jet_pt`: a number for each jet), or a list
    of lists. The columns of one list share a prefix, as in NanoAOD: this prefix names their axis.
    """

    #: What a row is.
    row: str = "event"

    @property
    def is_prepared(self) -> bool:
        """Whether its rows can be read at once, without a simulation."""
        return True

    def prepare(self) -> None:  # noqa: B027
        """Create missing files: a simulation runs here, and resumes if it was interrupted."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that changes whenever the content of the rows could change."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text, `float32` or `var * float32`."""

    @abstractmethod
    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all rows in order, as records of these columns, in blocks of at most `rows`."""

    def pieces(self, rows: int) -> list[Piece]:
        """Return ranges that together are the table, in order; [] if it is read as a whole.

        They follow from the files alone; blocks of `rows` rows end where those of `blocks` do.
        """
        return []

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of a piece, the first of which is that of a block of `blocks`."""
        raise NotImplementedError

    def units(self) -> dict[str, str]:
        """Return column → unit of its values, for columns whose unit is known."""
        return {}

    @property
    def schema(self) -> dict[str, Column]:
        """The columns with their axes, kinds, shapes and units."""
        return describe(self.fields(), self.units(), self.row)

    @property
    def order(self) -> str | None:
        """The column in whose order the rows are, e.g. a time; None if they are exchangeable."""
        return None

    @property
    def key_columns(self) -> Sequence[str]:
        """The columns that identify a row, where the file states them: of conditions."""
        return ()

    @property
    def conditions(self) -> Mapping[str, Table]:
        """Small tables that belong to this one, by name: geometry, noise, binning."""
        return {}

    @property
    def note(self) -> str:
        """What was decided in opening the table, to be shown, or ''."""
        return ""

    @property
    def why_empty(self) -> str:
        """The reason for a table without rows, in messages."""
        return "the source has no events"

    @property
    def entries(self) -> int | None:
        """The number of rows, None if it is not known without reading them."""
        return None

    def place(self, entry: int) -> str:
        """Return where the row of this index is, for messages."""
        return f"entry {entry}"

    def first_row(self, column: str) -> str | None:
        """Return the column of the first row of several that a row was made of, as of a window."""
        return None

    def sample(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield about `rows` rows; a subclass may take them from all parts of the table."""
        left = rows
        for block in self.blocks(columns, min(rows, 10_000)):
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return


def divide(counts: Sequence[int | None], starts: Sequence[Sequence[int]]) -> list[Piece]:
    """Return the pieces of files that are read one after the other.

    counts  rows of each file; nothing is divided if one is not known.
    starts  rows of each file at which a piece begins.
    """
    found, first = list[Piece](), 0
    if None in counts:
        return []
    for file, (rows, own) in enumerate(zip(counts, starts, strict=True)):
        edges = [*own, rows or 0]
        found += [
            Piece(first + low, file, low, high) for low, high in pairwise(edges) if low < high
        ]
        first += rows or 0
    return found


def describe(
    fields: Mapping[str, str], units: Mapping[str, str], row: str = "event"
) -> dict[str, Column]:
    """Return the columns of a table from their awkward types as text, and from their units."""
    axes = list_axes({name: type.count("var * ") for name, type in fields.items()}, row)
    found = {}
    for name, type in fields.items():
        *outer, inner = type.rpartition("var * ")[2].split(" * ")
        shape = tuple(int(size) for size in outer if size.isdigit())
        found[name] = Column(axes[name], _value_kind(inner), shape, units.get(name, ""), type)
    return found


def _value_kind(type: str) -> ValueKind:
    if "{" in type:
        return "record"
    if "string" in type or "bytes" in type:
        return "text"
    if "bool" in type:
        return "boolean"
    if "datetime" in type:
        return "time"
    return "real" if "float" in type or "unknown" in type else "integer"


def list_axes(depths: Mapping[str, int], row: str = "event") -> dict[str, str]:
    """Return column → its axis, from the depth of its lists: 0 for one value in each row.

    The axis of a list is the longest prefix that all lists share which begin with the same word:
    that of `Jet_pt` and `Jet_btag` is `Jet`. A list of lists has a second one from the words that
    follow: `jet_track_pt` lies on `event.jet.track`.
    """
    groups: dict[str, list[str]] = {}
    for name, depth in depths.items():
        if depth:
            groups.setdefault(_words(name)[0], []).append(name)
    found = dict.fromkeys(depths, row)
    for names in groups.values():
        level, axis, start = 1, row, 0
        while names:
            is_outer = all(depths[name] > level for name in names)
            prefix = _shared_prefix(names[:1] if is_outer else names, start)
            axis, start = f"{axis}.{prefix or 'item'}", start + (len(prefix) + 1 if prefix else 0)
            found |= dict.fromkeys(names, axis)
            level += 1
            names = [name for name in names if depths[name] >= level]
    return found


def _shared_prefix(names: list[str], start: int) -> str:
    """Return the shared prefix of names from a position on, up to a mark; the word of one name."""
    rest = [name[start:] for name in names]
    if not all(rest):
        return ""
    if len(rest) == 1:
        return _words(rest[0])[0]
    first, last = (f"{text}_" for text in (min(rest), max(rest)))
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    whole = re.match(r"(.*)[_.]", "".join(letter for letter, _ in same))
    return whole[1] if whole else ""


def _words(name: str) -> list[str]:
    return re.split(r"[_.]", name)
