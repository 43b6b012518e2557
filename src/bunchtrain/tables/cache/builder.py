"""Building of an event cache: one pass over the source, then an external sort into shards.

More events are sorted than fit in memory: sorted runs on disk are merged key range by key range.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import (
    make_contiguous,
    malloc_trim,
    read,
    take,
    to_events,
    value_bytes,
    write,
)
from bunchtrain.tables.cache.recipe import VERSION, Recipe
from bunchtrain.tables.cache.selection import BIN, KEY, Selection
from bunchtrain.tables.expressions.conditions import is_condition
from bunchtrain.tables.units import defined_units

SETS = ("train", "validation", "test")
MANIFEST = "manifest.json"

#: Bytes of the buffer in which readers shuffle; the order depends on it: part of the format.
_BUFFER_BYTES = 1 << 24
_MAX_SHARD_BYTES = 1 << 26

#: Set → a description of each of its shards.
ShardEntries = dict[str, list[dict[str, Any]]]


def write_cache(
    recipe: Recipe, folder: Path, memory: int, progress: Callable[[int], None] | None
) -> None:
    """Write the shards of a recipe into an empty folder, the manifest last.

    Raises DataError if nothing is selected, or one set, class or sum of weights is empty.
    """
    selection = Selection(recipe)
    runs = SortedRuns(folder, min(_MAX_SHARD_BYTES, memory // 8))
    for chunk in _chunks(recipe, memory):
        runs.add(selection(chunk))
        if progress is not None:
            progress(selection.cutflow["read"])
        malloc_trim()
    runs.flush()
    selection.check()
    selection.check_items()
    shards, size = _write_shards(folder, runs, selection)
    for path in runs.paths:
        path.unlink()
    _write_manifest(folder, selection, shards, size)


def _chunks(recipe: Recipe, memory: int) -> Iterator[ak.Array]:
    # An event needs about eight times its packed size: decompression, definitions, sorting.
    columns = recipe.source_columns()
    # The first blocks may be empty, e.g. of long windows.
    sample = next((one for one in recipe.source.blocks(columns, 256) if len(one)), None)
    if sample is None:
        raise DataError(recipe.source.why_empty)
    own = [name for name in sample.fields if not is_condition(sample[name])]  # shared by all rows
    size = ak.to_packed(sample[own]).nbytes / len(sample)
    rows = int(np.clip(memory / 8 / max(size, 1.0), 64, 1 << 18))
    return iter(recipe.source.blocks(columns, rows))


class SortedRuns:
    """External sort: tables are added in any order and read in the order of their keys.

    Memory use is about four times `run_bytes`, however many tables are added.
    """

    def __init__(self, folder: Path, run_bytes: int) -> None:
        self.folder = folder
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
            raise DataError(f"a column changes its type within the source: {problem}") from None
        if sum(pending.nbytes for pending in self._pending) >= self.run_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the tables in memory as one sorted run."""
        if self._pending:
            table = pa.concat_tables(self._pending)
            self._pending = []
            self.bytes += table.nbytes
            self.rows += len(table)
            self.paths.append(self.folder / f"run-{len(self.paths):05d}.arrow")
            write(_sort(table), self.paths[-1])

    def merge(self, low: int, high: int) -> Iterator[pa.Table]:
        """Yield the rows with low ≤ key < high in the order of their keys, in bounded pieces."""
        rows = sum(len(_key_range(read(path), low, high)) for path in self.paths)
        pieces = max(1, math.ceil(self.bytes * rows / max(1, self.rows) / self.run_bytes))
        edges = [low + (high - low) * piece // pieces for piece in range(pieces + 1)]
        for start, stop in pairwise(edges):
            found = [_key_range(read(path), start, stop) for path in self.paths]
            found = [table for table in found if len(table)]
            if found:
                yield _sort(pa.concat_tables(found))


def _sort(table: pa.Table) -> pa.Table:
    # Stable: equal keys keep the order of the source, however it was divided into runs.
    return take(make_contiguous(table), np.argsort(table[KEY].to_numpy(), kind="stable"))


def _key_range(run: pa.Table, low: int, high: int) -> pa.Table:
    keys: NDArray[np.uint64] = run[KEY].to_numpy()
    first = int(np.searchsorted(keys, np.uint64(low)))
    last = int(np.searchsorted(keys, np.uint64(high - 1), side="right"))
    return run.slice(first, last - first)


def _write_shards(folder: Path, runs: SortedRuns, selection: Selection) -> tuple[ShardEntries, int]:
    """Write the shards of each set; return their descriptions and the bytes of their values."""
    if not selection.spectra.counts.sum():
        raise DataError(
            f"the split puts none of the {runs.rows:,} selected events into training; change it"
        )
    factors = selection.spectra.factors()  # (class, bin)
    label = next((f"target_{name}" for name in selection.class_counts), None)
    shards: ShardEntries = {name: [] for name in SETS}
    size = 0
    for index, name in enumerate(SETS):
        for table in runs.merge(index << 62, (index + 1) << 62):
            path = folder / f"{name}-{len(shards[name]):05d}.arrow"
            weighted = _add_weights(table, factors, label)
            write(weighted, path)
            malloc_trim()
            size += value_bytes(weighted)
            shards[name].append(
                {"file": path.name, "rows": len(table), "bytes": path.stat().st_size}
            )
    return shards, size


def _add_weights(table: pa.Table, factors: NDArray[np.float64], label: str | None) -> pa.Table:
    classes = 0 if label is None else table[label].to_numpy()
    factor = factors[classes, table[BIN].to_numpy()]
    weight = (table["event_weight"].to_numpy() * factor).astype(np.float32)
    field = pa.field("weight", pa.float32(), nullable=False)
    return table.drop_columns([BIN, KEY]).append_column(field, pa.array(weight))


def _write_manifest(folder: Path, selection: Selection, shards: ShardEntries, size: int) -> None:
    recipe = selection.recipe
    rows = {name: sum(shard["rows"] for shard in shards[name]) for name in SETS}
    # A power of two that depends on the events alone: the order is the same on every machine.
    buffer_rows = _BUFFER_BYTES * sum(rows.values()) / size
    buffer = 1 << int(np.clip(np.log2(buffer_rows), 8, 16))
    first = next(shard["file"] for name in SETS for shard in shards[name])
    event = to_events(read(folder / first).slice(0, 1))
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
