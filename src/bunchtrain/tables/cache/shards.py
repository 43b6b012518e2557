"""Events of Arrow shards, in stored order or shuffled by a seed, in blocks of exact size."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.tables.arrow import make_contiguous, malloc_trim, to_events
from bunchtrain.tables.arrow_rows import ArrowFile, Span, take


class Shards:
    """The first `rows` of each Arrow file of a set as one long table that is not held in memory."""

    def __init__(self, paths: list[Path], rows: list[int], columns: Collection[str]) -> None:
        self.files = [ArrowFile(path) for path in paths]
        self.columns = columns
        self.edges = np.cumsum([0, *rows])

    def read(self, rows: int) -> Iterator[ak.Array]:
        """Yield the events in stored order, in blocks of at most `rows`."""
        total = int(self.edges[-1])
        for start in range(0, total, rows):
            yield self.rows(start, min(start + rows, total))

    def rows(self, start: int, stop: int) -> ak.Array:
        """Return events `start` to `stop` in stored order."""
        return to_events(make_contiguous(self._rows([(start, stop)])))

    def shuffle(self, seed: int, run: int, buffer: int) -> Iterator[ak.Array]:
        """Yield every event once, in an order that depends on the seed alone.

        Runs of `run` neighbouring rows are drawn at random until they fill a buffer of `buffer`
        rows, which is shuffled. The stored order is random already.
        """
        random = np.random.default_rng(seed)
        total = int(self.edges[-1])
        starts = random.permutation(np.arange(0, total, run))
        for first in range(0, len(starts), buffer // run):
            chosen = np.sort(starts[first : first + buffer // run])
            rows = self._rows([(a, min(a + run, total)) for a in chosen.tolist()])
            yield to_events(take(rows, random.permutation(len(rows))))
            malloc_trim()

    def _rows(self, ranges: list[tuple[int, int]]) -> pa.Table:
        spans: dict[int, list[Span]] = {}
        for start, stop in ranges:
            while start < stop:
                shard = int(np.searchsorted(self.edges, start, side="right")) - 1
                first, end = (int(edge) for edge in self.edges[shard : shard + 2])
                spans.setdefault(shard, []).append((start - first, min(stop, end) - first))
                start = min(stop, end)
        return pa.concat_tables(
            self.files[shard].rows(found, self.columns) for shard, found in spans.items()
        )


def rechunk(rows: int | Iterable[int], chunks: Iterable[ak.Array]) -> Iterator[ak.Array]:
    """Yield the same events in blocks of exactly `rows`, except for the last one.

    rows  of each block, or those of the first, the second, …
    """
    sizes = repeat(rows) if isinstance(rows, int) else iter(rows)
    block: list[ak.Array] = []
    missing = next(sizes, 0)
    for chunk in chunks:
        start = 0
        while missing and start < len(chunk):
            block.append(chunk[start : start + missing])
            start += len(block[-1])
            missing -= len(block[-1])
            if not missing:
                yield _concatenate(block)
                block, missing = [], next(sizes, 0)
    if block:
        yield _concatenate(block)


def _concatenate(arrays: list[ak.Array]) -> ak.Array:
    return arrays[0] if len(arrays) == 1 else ak.concatenate(arrays)  # one array needs no copy
