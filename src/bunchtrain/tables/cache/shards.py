"""Events of Arrow shards, in stored order or shuffled by a seed, in blocks of exact size."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.tables.arrow import make_contiguous, malloc_trim, read, to_events


class Shards:
    """The first `rows` of each Arrow file of a set as one long table that is not held in memory."""

    def __init__(self, paths: list[Path], rows: list[int], columns: Collection[str]) -> None:
        self.paths = paths
        self.columns = columns
        self.edges = np.cumsum([0, *rows])

    def read(self) -> Iterator[ak.Array]:
        """Yield the events in stored order, shard by shard, without a copy."""
        for path, rows in zip(self.paths, np.diff(self.edges).tolist(), strict=True):
            yield to_events(read(path, self.columns).slice(0, rows))

    def rows(self, start: int, stop: int) -> ak.Array:
        """Return events `start` to `stop` in stored order."""
        return to_events(self._rows([(start, stop)]))

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
            events = to_events(self._rows([(a, min(a + run, total)) for a in chosen.tolist()]))
            yield ak.to_packed(events[random.permutation(len(events))])
            malloc_trim()

    def _rows(self, ranges: list[tuple[int, int]]) -> pa.Table:
        # Files are opened for one buffer only: the pages of closed files are not in our memory.
        opened: dict[int, pa.Table] = {}
        found = []
        for start, stop in ranges:
            while start < stop:
                shard = int(np.searchsorted(self.edges, start, side="right")) - 1
                if shard not in opened:
                    opened[shard] = read(self.paths[shard], self.columns)
                found.append(opened[shard].slice(start - int(self.edges[shard]), stop - start))
                start += len(found[-1])
        return make_contiguous(pa.concat_tables(found))


def rechunk(rows: int, chunks: Iterator[ak.Array]) -> Iterator[ak.Array]:
    """Yield the same events in blocks of exactly `rows`, except for the last one."""
    block: list[ak.Array] = []
    missing = rows
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            block.append(chunk[start : start + missing])
            start += len(block[-1])
            missing -= len(block[-1])
            if not missing:
                yield _concatenate(block)
                block, missing = [], rows
    if block:
        yield _concatenate(block)


def _concatenate(arrays: list[ak.Array]) -> ak.Array:
    return arrays[0] if len(arrays) == 1 else ak.concatenate(arrays)  # one array needs no copy
