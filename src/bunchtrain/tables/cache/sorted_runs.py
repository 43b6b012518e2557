"""External sort: sorted runs on disk are merged key range by key range, in bounded memory."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import write
from bunchtrain.tables.arrow_rows import ArrowFile, numbers, take
from bunchtrain.tables.cache.selection import KEY


class SortedRuns:
    """External sort: tables are added in any order and read in the order of their keys.

    Memory use is about three times `run_bytes`, however many tables are added.

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
        self._files: dict[Path, ArrowFile] = {}

    def add(self, table: pa.Table) -> None:
        """Add a table with the column of keys.

        Raises DataError if the type of a column differs from that of the tables before.
        """
        self._schema = self._schema or table.schema
        try:
            self._pending.append(_cast(table, self._schema))
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
        spans = [file.span(KEY, low, high) for file in self._opened()]
        rows = sum(last - first for first, last in spans)
        pieces = max(1, math.ceil(self.bytes * rows / max(1, self.rows) / self.run_bytes))
        edges = [low + (high - low) * piece // pieces for piece in range(pieces + 1)]
        return list(pairwise(edges))

    def merge(self, low: int, high: int) -> pa.Table | None:
        """Return the rows with low ≤ key < high in the order of their keys, None without any."""
        spans = [(file, file.span(KEY, low, high)) for file in self._opened()]
        found = [file.rows([span]) for file, span in spans if span[0] < span[1]]
        if not found:
            return None
        try:  # runs of different pieces of a table may have different types
            found = [_cast(table, found[0].schema) for table in found]
        except (pa.ArrowInvalid, ValueError) as problem:
            raise _changed_type(problem) from None
        return _sort(pa.concat_tables(found))

    def _opened(self) -> list[ArrowFile]:
        return [self._files.setdefault(path, ArrowFile(path)) for path in self.paths]


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table if table.schema == schema else table.cast(schema)


def _changed_type(problem: Exception) -> DataError:
    return DataError(f"a column changes its type within the source: {problem}")


def _sort(table: pa.Table) -> pa.Table:
    # Stable: equal keys keep the order of the source, however it was divided into runs.
    return take(table, np.argsort(numbers(table[KEY]), kind="stable"))
