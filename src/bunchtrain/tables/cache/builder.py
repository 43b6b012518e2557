"""Building of an event cache: one pass over the source, then an external sort into shards."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import (
    array_of,
    malloc_trim,
    to_events,
    unmap_freed_blocks,
    write,
)
from bunchtrain.tables.arrow_rows import ArrowFile, data_bytes, numbers
from bunchtrain.tables.cache.recipe import VERSION, Recipe
from bunchtrain.tables.cache.selection import BIN, KEY, Selection
from bunchtrain.tables.cache.sorted_runs import SortedRuns
from bunchtrain.tables.units import defined_units

SETS = ("train", "validation", "test")
MANIFEST = "manifest.json"

#: Bytes of the buffer in which readers shuffle; the order depends on it: part of the format.
_BUFFER_BYTES = 1 << 24
_MAX_SHARD_BYTES = 1 << 26

#: Set → a description of each of its shards.
ShardEntries = dict[str, list[dict[str, Any]]]


@unmap_freed_blocks()
def write_cache(
    recipe: Recipe, folder: Path, memory: int, rows: int, progress: Callable[[int], None] | None
) -> None:
    """Write the shards of a recipe into an empty folder, the manifest last.

    rows  of the source that are read together.

    Raises DataError if nothing is selected, or one set, class or sum of weights is empty.
    """
    selection = Selection(recipe)
    runs = SortedRuns(folder, run_bytes(memory))
    for table in map(selection, recipe.source.blocks(recipe.source_columns(), rows)):
        runs.add(table)
        del table
        if progress is not None:
            progress(selection.cutflow["read"])
        malloc_trim()
    runs.flush()
    shards = ShardWriter(folder, runs, ShardWeights.of(selection, runs))
    write_manifest(folder, selection, [shards.write(*one) for one in shards.ranges()])
    for path in runs.paths:
        path.unlink()


def run_bytes(memory: int) -> int:
    """Return the size of a sorted run, and of a shard, for a limit on the memory."""
    return min(_MAX_SHARD_BYTES, memory // 8)


@dataclass(frozen=True)
class ShardWeights:
    """What the rows of a shard are weighted with.

    factors  (class, bin) on the event weights.
    label    column of the class index, '' if there is one class.
    """

    factors: NDArray[np.float64]
    label: str

    @classmethod
    def of(cls, selection: Selection, runs: SortedRuns) -> ShardWeights:
        """Return those of all selected rows; DataError if there are none to train on."""
        selection.check()
        selection.check_items()
        if not selection.spectra.counts.sum():
            raise DataError(
                f"the split puts none of the {runs.rows:,} selected events into training; change it"
            )
        label = next((f"target_{name}" for name in selection.class_counts), "")
        return cls(selection.spectra.factors(), label)


@dataclass(frozen=True)
class Shard:
    """A shard: the index of its set, its file, its rows, and the bytes of the file and values."""

    of: int
    file: str
    rows: int = 0
    bytes: int = 0
    size: int = 0


@dataclass(frozen=True)
class ShardWriter:
    """The shards of a cache, each of a range of keys and written on its own."""

    folder: Path
    runs: SortedRuns
    weights: ShardWeights

    def ranges(self) -> list[tuple[str, int, int]]:
        """Return (name, low, high) of the shards of all sets; some have no rows."""
        found = []
        for index, name in enumerate(SETS):
            ranges = self.runs.ranges(index << 62, (index + 1) << 62)
            found += [(f"{name}-{n:05d}.arrow", *one) for n, one in enumerate(ranges)]
        return found

    def write(self, file: str, low: int, high: int) -> Shard:
        """Write a shard, if it has rows, and return its description."""
        table = self.runs.merge(low, high)
        if table is None:
            return Shard(low >> 62, file)
        weighted = _add_weights(table, self.weights)
        write(weighted, self.folder / file)
        malloc_trim()
        bytes = (self.folder / file).stat().st_size
        return Shard(low >> 62, file, len(table), bytes, data_bytes(weighted))


def _add_weights(table: pa.Table, weights: ShardWeights) -> pa.Table:
    classes = numbers(table[weights.label]) if weights.label else 0
    factor = weights.factors[classes, numbers(table[BIN])]
    weight = (numbers(table["event_weight"]) * factor).astype(np.float32)
    field = pa.field("weight", pa.float32(), nullable=False)
    return table.drop_columns([BIN, KEY]).append_column(field, array_of(weight))


def write_manifest(folder: Path, selection: Selection, written: Sequence[Shard]) -> None:
    """Number the shards of each set that have rows, and write the manifest of the cache."""
    shards: ShardEntries = {name: [] for name in SETS}
    for one in written:
        own = shards[SETS[one.of]]
        if one.rows:
            name = f"{SETS[one.of]}-{len(own):05d}.arrow"
            os.replace(folder / one.file, folder / name)
            own.append({"file": name, "rows": one.rows, "bytes": one.bytes})
    size, recipe = sum(one.size for one in written), selection.recipe
    rows = {name: sum(shard["rows"] for shard in shards[name]) for name in SETS}
    # A power of two that depends on the events alone: the order is the same on every machine.
    buffer_rows = _BUFFER_BYTES * sum(rows.values()) / size
    buffer = 1 << int(np.clip(np.log2(buffer_rows), 8, 16))
    first = next(shard["file"] for name in SETS for shard in shards[name])
    event = to_events(ArrowFile(folder / first).rows([(0, 1)]))
    manifest = {
        "version": VERSION,
        "key": recipe.key(),
        "rows": rows,
        "classes": {
            t.name: list(t.classes) for t in recipe.targets if t.name in selection.class_counts
        },
        "class_counts": {
            name: dict(zip(SETS, counts.tolist(), strict=True))
            for name, counts in selection.class_counts.items()
        },
        "fields": {name: str(event[name].type.content) for name in ak.fields(event)},
        "units": defined_units(recipe.define, recipe.source.units()),
        "cutflow": selection.cutflow,
        "capped": selection.spectra.capped(),
        # Columns of files without header have the name of their position, see `CsvTable`.
        "unnamed_columns": sum(
            re.fullmatch(r"column_\d+", name) is not None for name in recipe.source.fields()
        ),
        "buffer": buffer,
        "run": buffer // 64,
        "shards": shards,
    }
    with open(folder / MANIFEST, "w") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
