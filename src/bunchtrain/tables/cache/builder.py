"""Writing a cache: one pass over the source, one over what was selected."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import read, to_events, value_bytes, write
from bunchtrain.tables.cache.external_sort import KEY, SortedRuns
from bunchtrain.tables.cache.freed_memory import give_back
from bunchtrain.tables.cache.recipe import VERSION, Recipe
from bunchtrain.tables.selection import BIN, Selection

SETS = ("train", "validation", "test")
MANIFEST = "manifest.json"

#: Bytes of a buffer in which readers shuffle; it decides their order, so it is part of the format.
_BUFFER_BYTES = 1 << 24
_LARGEST_SHARD = 1 << 26


def write_cache(
    recipe: Recipe, folder: Path, memory: int, progress: Callable[[int], None] | None
) -> None:
    """Write the shards of a recipe into an empty folder, the manifest last.

    Raises DataError if nothing is selected, or one set, class or sum of weights is empty.
    """
    selection = Selection(recipe)
    runs = SortedRuns(folder, min(_LARGEST_SHARD, memory // 8))
    for chunk in _chunks(recipe, memory):
        runs.add(selection(chunk))
        if progress is not None:
            progress(selection.cutflow["read"])
        give_back()
    runs.flush()
    selection.check()
    shards, bytes_held = _write_shards(folder, runs, selection)
    for path in runs.paths:
        path.unlink()
    _write_manifest(folder, recipe, selection, shards, bytes_held)


def _chunks(recipe: Recipe, memory: int) -> Iterator[ak.Array]:
    # An event costs about eight times its packed size: decompressing, defining, taking, sorting.
    columns = recipe.reads()
    sample = next(iter(recipe.source.chunks(columns, 256)), None)
    if sample is None or not len(sample):
        raise DataError("the source has no events")
    size = ak.to_packed(sample).nbytes / len(sample)
    rows = int(np.clip(memory / 8 / max(size, 1.0), 64, 1 << 18))
    return iter(recipe.source.chunks(columns, rows))


def _write_shards(
    folder: Path, runs: SortedRuns, selection: Selection
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    if not selection.spectra.counts.sum():
        raise DataError(
            f"the split puts none of the {runs.rows:,} selected events into training; change it"
        )
    factors = selection.spectra.factors()  # (class, bin)
    shards: dict[str, list[dict[str, Any]]] = {name: [] for name in SETS}
    bytes_held = 0
    for number, name in enumerate(SETS):
        for table in runs.merged(number << 62, (number + 1) << 62):
            path = folder / f"{name}-{len(shards[name]):05d}.arrow"
            finished = _weighted(table, factors, selection)
            write(finished, path)
            give_back()
            bytes_held += value_bytes(finished)
            shards[name].append(
                {"file": path.name, "rows": len(table), "bytes": path.stat().st_size}
            )
    return shards, bytes_held


def _weighted(table: pa.Table, factors: np.ndarray[Any, Any], selection: Selection) -> pa.Table:
    first = next(iter(selection.classes), None)
    classes = 0 if first is None else table[f"target_{first}"].to_numpy()
    factor = factors[classes, table[BIN].to_numpy()]
    weight = (table["event_weight"].to_numpy() * factor).astype(np.float32)
    field = pa.field("weight", pa.float32(), nullable=False)
    return table.drop_columns([BIN, KEY]).append_column(field, pa.array(weight))


def _write_manifest(
    folder: Path,
    recipe: Recipe,
    selection: Selection,
    shards: dict[str, list[dict[str, Any]]],
    bytes_held: int,
) -> None:
    rows = {name: sum(shard["rows"] for shard in shards[name]) for name in SETS}
    # A power of two, and from the events alone: the order is the same wherever it was built.
    wanted = _BUFFER_BYTES * sum(rows.values()) / bytes_held
    buffer = 1 << int(np.clip(np.log2(wanted), 8, 16))
    manifest = {
        "version": VERSION,
        "key": recipe.key(),
        "rows": rows,
        "classes": {t.name: list(t.classes) for t in selection.targets if t.classes},
        "class_counts": {
            name: dict(zip(SETS, counts.tolist(), strict=True))
            for name, counts in selection.classes.items()
        },
        "fields": _fields(folder, shards),
        "cutflow": selection.cutflow,
        "buffer": buffer,
        "run": buffer // 64,
        "shards": shards,
    }
    with open(folder / MANIFEST, "w") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _fields(folder: Path, shards: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    first = next(shard["file"] for name in SETS for shard in shards[name])
    events = to_events(read(folder / first).slice(0, 1))
    return {name: str(events[name].type.content) for name in ak.fields(events)}
