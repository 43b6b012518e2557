"""External sort: sorted runs on disk are merged key range by key range, in bounded memory."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import make_contiguous, read, take, write
from bunchtrain.tables.cache.selection import KEY


class SortedRuns:
    """External sort: tables are added in any order and read in the order of their keys.

    Memory use is about four times `run_bytes`, however many tables are added.

    name  with which the names of the files begin.
    """

    def __init__(self, folder: Path, run_bytes: int, name: str = "run") -> None:
        self.folder, self.name = folder, name
        self.run_bytes = run_bytes
        self.paths: list[Path] = []
        self.bytes = 0
        self.rows = 0
        self._pending: list[pa.Table] = []
        self._schema: pa.Schema | None = None

    def add(self, table: pa.Table) -> None:
        """Add a table with the column of keys.

        Raises DataError if the type of a column differs from that of the tables before.
        """
        self._schema = self._schema or table.schema
        try:
            self._pending.append(table.cast(self._schema))
        except (pa.ArrowInvalid, ValueError) as problem:
            raise _changed_type(problem) from None
        if sum(pending.nbytes for pending in self._pending) >= self.run_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the tables in memory as one sorted run."""
        if self._pending:
            table = pa.concat_tables(self._pending)
            self._pending = []
            self.bytes += table.nbytes
            self.rows += len(table)
            self.paths.append(self.folder / f"{self.name}-{len(self.paths):05d}.arrow")
            write(_sort(table), self.paths[-1])

    def ranges(self, low: int, high: int) -> list[tuple[int, int]]:
        """Return ranges of keys that divide low ≤ key < high into pieces of bounded size."""
        rows = sum(len(_key_range(read(path), low, high)) for path in self.paths)
        pieces = max(1, math.ceil(self.bytes * rows / max(1, self.rows) / self.run_bytes))
        edges = [low + (high - low) * piece // pieces for piece in range(pieces + 1)]
        return list(pairwise(edges))

    def merge(self, low: int, high: int) -> pa.Table | None:
        """Return the rows with low ≤ key < high in the order of their keys, None without any."""
        found = [_key_range(read(path), low, high) for path in self.paths]
        found = [table for table in found if len(table)]
        if not found:
            return None
        try:  # runs of different pieces of a table may have different types
            found = [table.cast(found[0].schema) for table in found]
        except (pa.ArrowInvalid, ValueError) as problem:
            raise _changed_type(problem) from None
        return _sort(pa.concat_tables(found))


def _changed_type(problem: Exception) -> DataError:
    return DataError(f"a column changes its type within the source: {problem}")


def _sort(table: pa.Table) -> pa.Table:
    # Stable: equal keys keep the order of the source, however it was divided into runs.
    return take(make_contiguous(table), np.argsort(table[KEY].to_numpy(), kind="stable"))


def _key_range(run: pa.Table, low: int, high: int) -> pa.Table:
    keys: NDArray[np.uint64] = run[KEY].to_numpy()
    first = int(np.searchsorted(keys, np.uint64(low)))
    last = int(np.searchsorted(keys, np.uint64(high - 1), side="right"))
    return run.slice(first, last - first)
