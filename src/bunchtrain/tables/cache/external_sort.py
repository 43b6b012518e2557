"""Sorting more events than memory holds: sorted runs on disk, then key range by key range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import in_one_piece, read, take, write

#: The column with the sort keys, uint64.
KEY = "__key"


class SortedRuns:
    """Tables that are added in any order and given back in the order of their keys.

    Memory holds about four times `run_bytes`, however many tables are added.
    """

    def __init__(self, folder: Path, run_bytes: int) -> None:
        self.folder = folder
        self.run_bytes = run_bytes
        self.paths: list[Path] = []
        self.bytes = 0
        self.rows = 0
        self._waiting: list[pa.Table] = []
        self._schema: pa.Schema | None = None

    def add(self, table: pa.Table) -> None:
        """Add a table with the column of keys.

        Raises DataError if a column's type does not fit what was added before.
        """
        self._schema = self._schema or table.schema
        try:
            self._waiting.append(table.cast(self._schema))
        except (pa.ArrowInvalid, ValueError) as problem:
            raise DataError(f"a column changes its type within the source: {problem}") from None
        if sum(waiting.nbytes for waiting in self._waiting) >= self.run_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what waits in memory as one sorted run."""
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            self._waiting = []
            self.bytes += table.nbytes
            self.rows += len(table)
            self.paths.append(self.folder / f"run-{len(self.paths):05d}.arrow")
            write(_sorted(table), self.paths[-1])

    def merged(self, low: int, high: int) -> Iterator[pa.Table]:
        """Yield the rows with low ≤ key < high in the order of their keys, in bounded pieces."""
        rows = sum(len(_between(read(path), low, high)) for path in self.paths)
        pieces = max(1, math.ceil(self.bytes * rows / max(1, self.rows) / self.run_bytes))
        edges = [low + (high - low) * piece // pieces for piece in range(pieces + 1)]
        for start, stop in pairwise(edges):
            found = [_between(read(path), start, stop) for path in self.paths]
            found = [table for table in found if len(table)]
            if found:
                yield _sorted(pa.concat_tables(found))


def _sorted(table: pa.Table) -> pa.Table:
    # Stable, so that equal keys keep the order of the source, however it was cut into runs.
    return take(in_one_piece(table), np.argsort(_keys(table), kind="stable"))


def _between(run: pa.Table, low: int, high: int) -> pa.Table:
    keys = _keys(run)
    first = int(np.searchsorted(keys, np.uint64(low)))
    last = int(np.searchsorted(keys, np.uint64(high - 1), side="right"))
    return run.slice(first, last - first)


def _keys(table: pa.Table) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = table[KEY].to_numpy()
    return keys
