"""Random samples of the rows of a table, for toys and for the bootstrap.

A toy of N rows from n has the counts k_i of each row: multinomial with Σ k_i = N for the bootstrap
(Efron, Ann. Statist. 7 (1979) 1), Poisson of mean ν/n each where N is Poisson of mean ν.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Events, Positive, Seed
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.transforms.object_rows import EVENT
from bunchtrain.transforms._drawn_rows import DrawnRows, count_rows, draw_size


class Resample(Transform):
    """Draws rows at random; the column `source_entry` is the entry of each in its source.

    The drawn rows keep the order of the source. `source_entry` as the `key` of a split keeps
    copies of a row in one set.

    method      bootstrap (with replacement), poisson (with replacement, a Poisson number of rows),
                or subsample (without replacement).
    rows        number of rows; that of the source if unset.
    expected    mean of a Poisson number of rows, for poisson and subsample.
    complement  of a subsample, the rows that are not drawn.
    seed        of the random numbers.
    """

    def __init__(
        self,
        source: Table,
        *,
        method: Literal["bootstrap", "poisson", "subsample"] = "bootstrap",
        rows: Events | None = None,
        expected: Positive | None = None,
        complement: bool = False,
        seed: Seed = 1,
    ) -> None:
        super().__init__(source)
        where = f"transform 'resample', method '{method}'"
        if method == "poisson" and (expected is None or rows is not None):
            raise StudyError(f"{where}: give 'expected', the mean number of rows, and no 'rows'")
        if method == "bootstrap" and expected is not None:
            raise StudyError(f"{where}: 'expected' belongs to poisson and subsample; give 'rows'")
        if method == "subsample" and (rows is None) == (expected is None):
            raise StudyError(f"{where}: give either 'rows' or 'expected'")
        if complement and method != "subsample":
            raise StudyError(f"{where}: 'complement' belongs to subsample")
        self.method, self.rows, self.expected = method, rows, expected
        self.complement, self.seed, self.row = complement, seed, source.row

    def describe(self) -> str:
        """Return the transform with its options as text."""
        return f"resample {(self.method, self.rows, self.expected, self.complement, self.seed)}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return {EVENT: "int64", **self.source.fields()}

    @property
    def order(self) -> str | None:
        """The column in whose order the rows of the source are."""
        return self.source.order

    @cached_property
    def drawn(self) -> DrawnRows:
        """How often each row of the source is drawn."""
        total = count_rows(self.source)
        size = draw_size(self.rows, self.expected, total, np.random.default_rng([self.seed, 2]))
        return DrawnRows(total, size, self.seed, replacement=self.method != "subsample")

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the drawn rows in the order of the source, in blocks of at most `rows`."""
        for block, _ in self.blocks_of_events(columns, rows):
            for start in range(0, len(block), rows):
                yield block[start : start + rows]

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the drawn rows of at most `events` rows of the source, and their number each."""
        available = list(self.source.fields())
        own = EVENT not in available
        needed = [n for n in columns if not (own and n == EVENT)] or [
            next(iter(self.source.fields()))
        ]
        start = 0
        for block in self.source.blocks(needed, events):
            counts = self.drawn.counts(start, start + len(block))
            counts = 1 - counts if self.complement else counts
            index = np.repeat(np.arange(len(block)), counts)
            made = {EVENT: start + index} if own else {}
            made |= {name: block[name][index] for name in columns if name not in made}
            start += len(block)
            yield ak.zip({name: made[name] for name in columns}, depth_limit=1), counts
