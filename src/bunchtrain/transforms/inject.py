"""Injection of signal rows into a table, for toys with a signal and for the power of a test."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.parts.ranges import Positive, Seed, StepsOrZero
from bunchtrain.tables.column_types import simplify
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.transforms.object_rows import EVENT
from bunchtrain.transforms._drawn_rows import DrawnRows, count_rows, draw_size

#: Column that is added: whether the row is signal.
INJECTED = "is_injected"


class Inject(Transform):
    """Adds random rows of a signal after those of a table; `is_injected` is 1 for them, else 0.

    Signal rows are drawn without replacement, and have the columns of the table; `source_entry` of
    a sample is left out where the signal has none.

    number    of signal rows.
    expected  mean of a Poisson number of signal rows, instead of `number`.
    seed      of the random numbers.
    """

    def __init__(
        self,
        source: Table,
        signal: Table,
        *,
        number: StepsOrZero | None = None,
        expected: Positive | None = None,
        seed: Seed = 1,
    ) -> None:
        super().__init__(source)
        if (number is None) == (expected is None):
            raise StudyError("transform 'inject': give either 'number' or 'expected'")
        self.signal, self.number, self.expected, self.seed = signal, number, expected, seed
        self.row, available, given = source.row, dict(source.fields()), signal.fields()
        if EVENT not in given:  # rows of the two tables have no numbering in common
            available.pop(EVENT, None)
        if INJECTED in available:
            raise DataError(f"transform 'inject': the column name '{INJECTED}' is reserved")
        for name in available:
            if name not in given:
                hint = nearest(name, given)
                raise DataError(f"transform 'inject': the signal has no column '{name}'{hint}")
        self._fields = available

    @property
    def is_prepared(self) -> bool:
        """Whether the rows of both tables can be read at once."""
        return self.source.is_prepared and self.signal.is_prepared

    def prepare(self) -> None:
        """Create missing files of both tables."""
        self.source.prepare()
        self.signal.prepare()

    def fingerprint(self) -> str:
        """Return a text that changes with the content of the tables or the transform."""
        return f"{super().fingerprint()} and {self.signal.fingerprint()}"

    def describe(self) -> str:
        """Return the transform with its options as text."""
        return f"inject {(self.number, self.expected, self.seed)}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return {**self._fields, INJECTED: "int64"}

    @cached_property
    def drawn(self) -> DrawnRows:
        """Which rows of the signal are drawn."""
        total = count_rows(self.signal)
        size = draw_size(self.number, self.expected, total, np.random.default_rng([self.seed, 2]))
        return DrawnRows(total, size, self.seed, replacement=False)

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of the table, then those of the signal, in blocks of at most `rows`."""
        for block in self._read(self.source, columns, rows):
            yield _records(block, columns, 0)
        start = 0
        for block in self._read(self.signal, columns, rows):
            counts: NDArray[np.int64] = self.drawn.counts(start, start + len(block))
            start += len(block)
            if counts.any():
                yield _records(block[counts > 0], columns, 1)

    def _read(self, table: Table, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        needed = [n for n in columns if n != INJECTED] or [next(iter(self._fields))]
        yield from table.blocks(needed, rows)


def _records(block: ak.Array, columns: Collection[str], injected: int) -> ak.Array:
    """Return rows as records of these columns, with the column of the injection."""
    known = {INJECTED: np.full(len(block), injected, np.int64)}
    made = {n: known[n] if n in known else simplify(block[n]) for n in columns}
    return ak.zip(made, depth_limit=1)
