"""Reading events in an order that depends on a seed alone, in blocks of exact size."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.tables.arrow import in_one_piece, read, to_events
from bunchtrain.tables.cache.freed_memory import give_back


class Shards:
    """The first `rows` of each Arrow file of a set as one long table, not held in memory."""

    def __init__(self, paths: list[Path], rows: list[int], columns: Collection[str]) -> None:
        self.paths = paths
        self.columns = columns
        self.edges = np.cumsum([0, *rows])

    def in_order(self) -> Iterator[ak.Array]:
        """Yield the events as they lie on disk, shard by shard, without a copy."""
        for path, rows in zip(self.paths, np.diff(self.edges).tolist(), strict=True):
            yield to_events(read(path, self.columns).slice(0, rows))

    def shuffled(self, order: int, run: int, buffer: int) -> Iterator[ak.Array]:
        """Yield all events once, in the order of this seed.

        Runs of `run` neighbouring rows are drawn at random until they fill a buffer of `buffer`
        rows, which is shuffled. The files' own order is random already.
        """
        random = np.random.default_rng(order)
        total = int(self.edges[-1])
        starts = random.permutation(np.arange(0, total, run))
        for first in range(0, len(starts), buffer // run):
            chosen = np.sort(starts[first : first + buffer // run])
            events = to_events(self._rows([(a, min(a + run, total)) for a in chosen.tolist()]))
            yield ak.to_packed(events[random.permutation(len(events))])
            give_back()

    def _rows(self, spans: list[tuple[int, int]]) -> pa.Table:
        # Files are opened for this piece only: pages of closed ones no longer count as ours.
        opened: dict[int, pa.Table] = {}
        found = []
        for start, stop in spans:
            while start < stop:
                shard = int(np.searchsorted(self.edges, start, side="right")) - 1
                if shard not in opened:
                    opened[shard] = read(self.paths[shard], self.columns)
                inside = start - int(self.edges[shard])
                piece = opened[shard].slice(inside, stop - start)
                found.append(piece)
                start += len(piece)
        return in_one_piece(pa.concat_tables(found))


def blocks_of(rows: int, pieces: Iterator[ak.Array]) -> Iterator[ak.Array]:
    """Yield the same events in blocks of exactly `rows`, but for the last one."""
    held: list[ak.Array] = []
    for piece in pieces:
        start = 0
        while start < len(piece):
            part = piece[start : start + rows - sum(map(len, held))]
            start += len(part)
            held.append(part)
            if sum(map(len, held)) == rows:
                yield _joined(held)
                held = []
    if held:
        yield _joined(held)


def _joined(parts: list[ak.Array]) -> ak.Array:
    return parts[0] if len(parts) == 1 else ak.concatenate(parts)
