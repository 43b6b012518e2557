"""An event cache that is built in pieces, by any number of processes, with the same content.

A piece is a range of the rows of the source, which follows from the data and the limit on the
memory: each is selected, labelled and sorted on its own, and its counts and sums are added up in
the order of the rows. Then each shard is merged from the sorted runs on its own. Every process
needs the memory of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np

from bunchtrain.files import atomic_path, read_json, write_json
from bunchtrain.tables.arrow import malloc_trim
from bunchtrain.tables.cache.builder import (
    Shard,
    ShardWeights,
    ShardWriter,
    run_bytes,
    write_manifest,
)
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.cache.selection import Selection
from bunchtrain.tables.cache.sorted_runs import SortedRuns
from bunchtrain.tables.table import Piece

Step = Literal["select", "shards"]
#: Does the pieces of a step in a folder, whose number is given, by `select_piece` or `write_shard`.
Spread = Callable[[Path, Step, int], None]

PLAN, SHARDS, FACTORS = "plan.json", "shards.json", "factors.npy"
#: Largest number of pieces: each has a sorted run of its own.
_MOST = 512


@dataclass(frozen=True)
class Plan:
    """How a source is divided.

    key     of the recipe.
    memory  limit on the memory in bytes.
    rows    of a chunk.
    groups  ranges of rows of each piece.
    """

    key: str
    memory: int
    rows: int
    groups: list[list[Piece]]

    @classmethod
    def of(cls, recipe: Recipe, memory: int, rows: int) -> Plan:
        """Return the division of a source, into one piece if it is read as a whole."""
        pieces = recipe.source.pieces(rows)
        total = sum(one.stop - one.start for one in pieces)
        least = rows * -(-total // (rows * _MOST))
        return cls(recipe.key(), memory, rows, list(_group(pieces, least)))

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Return the plan in a folder."""
        content = json.loads((folder / PLAN).read_text())
        groups = [[Piece(**one) for one in group] for group in content["groups"]]
        return cls(content["key"], content["memory"], content["rows"], groups)

    def write(self, folder: Path) -> None:
        """Write the plan into a folder."""
        groups = [[asdict(one) for one in group] for group in self.groups]
        content = {"key": self.key, "memory": self.memory, "rows": self.rows, "groups": groups}
        write_json(folder / PLAN, content)


def _group(pieces: list[Piece], least: int) -> Iterator[list[Piece]]:
    """Yield successive pieces that together have at least so many rows, but for the last."""
    group = list[Piece]()
    for piece in pieces:
        group.append(piece)
        if sum(one.stop - one.start for one in group) >= least:
            yield group
            group = []
    if group:
        yield group


def write_cache_in_pieces(recipe: Recipe, folder: Path, plan: Plan, spread: Spread) -> None:
    """Write the shards of a recipe and the manifest; pieces that are there are not made again.

    Raises what `write_cache` raises.
    """
    plan.write(folder)
    spread(folder, "select", len(plan.groups))
    selection, runs = _collect(recipe, folder, plan)
    weights = ShardWeights.of(selection, runs)
    writer = ShardWriter(folder, runs, weights)
    ranges = writer.ranges()
    with atomic_path(folder / FACTORS) as part, part.open("wb") as file:
        np.save(file, weights.factors)
    content = {"label": weights.label, "bytes": runs.bytes, "rows": runs.rows, "ranges": ranges}
    write_json(folder / SHARDS, content)
    spread(folder, "shards", len(ranges))
    shards = [Shard(**read_json(folder / f"shard-{n:05d}.json")) for n in range(len(ranges))]
    write_manifest(folder, selection, shards)
    for path in folder.iterdir():
        if path.name.startswith(("piece-", "shard-")) or path.name in (PLAN, SHARDS, FACTORS):
            path.unlink()


def is_done(folder: Path, step: Step, index: int) -> bool:
    """Return whether a piece of a step is there."""
    name = f"piece-{index:05d}.npz" if step == "select" else f"shard-{index:05d}.json"
    return (folder / name).is_file()


def rows_done(folder: Path) -> int:
    """Return the number of rows that have been read."""
    groups = enumerate(Plan.read(folder).groups)
    done = (group for index, group in groups if is_done(folder, "select", index))
    return sum(one.stop - one.start for group in done for one in group)


def select_piece(recipe: Recipe, folder: Path, index: int) -> None:
    """Select and sort the rows of a piece; raise DataError for invalid ones."""
    plan = Plan.read(folder)
    group = plan.groups[index]
    selection, sums = Selection(recipe, group[0].first), []
    runs = SortedRuns(folder, run_bytes(plan.memory), f"piece-{index:05d}")
    for table in map(selection, _chunks(recipe, plan, group)):
        runs.add(table)
        del table
        sums.append(selection.spectra.sums.copy())
        selection.spectra.sums[:] = 0
        malloc_trim()
    runs.flush()
    size = np.array([len(runs.paths), runs.bytes, runs.rows])
    with atomic_path(folder / f"piece-{index:05d}.npz") as part, part.open("wb") as file:
        found: dict[str, Any] = {"size": size, "sums": np.stack(sums), **selection.counts()}
        np.savez(file, **found)


def _chunks(recipe: Recipe, plan: Plan, group: list[Piece]) -> Iterator[ak.Array]:
    columns = recipe.source_columns()
    for piece in group:
        yield from recipe.source.blocks_of(piece, columns, plan.rows)


def _collect(recipe: Recipe, folder: Path, plan: Plan) -> tuple[Selection, SortedRuns]:
    """Return the counts of all pieces together, and all sorted runs in the order of the rows."""
    selection = Selection(recipe)
    runs = SortedRuns(folder, run_bytes(plan.memory))
    for index in range(len(plan.groups)):
        with np.load(folder / f"piece-{index:05d}.npz") as found:
            counts: dict[str, Any] = {name: found[name] for name in found.files}
        paths, size, rows = counts.pop("size").tolist()
        runs.paths += [folder / f"piece-{index:05d}-{n:05d}.arrow" for n in range(paths)]
        runs.bytes, runs.rows = runs.bytes + size, runs.rows + rows
        selection.add(counts, counts.pop("sums"))
    return selection, runs


def write_shard(folder: Path, index: int) -> None:
    """Write a shard from the sorted runs of all pieces."""
    plan, content = Plan.read(folder), read_json(folder / SHARDS)
    runs = SortedRuns(folder, run_bytes(plan.memory))
    runs.paths = sorted(folder.glob("piece-*.arrow"))
    weights = ShardWeights(np.load(folder / FACTORS), content["label"])
    shard = ShardWriter(folder, runs, weights).write(*content["ranges"][index])
    write_json(folder / f"shard-{index:05d}.json", asdict(shard))
