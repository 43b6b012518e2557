"""The training cache: selected, weighted, split and shuffled events as Arrow shards on this node.

A cache is a folder named by the hash of its recipe and of the content of its source, so that it is
reused when both are the same and never stale. It is built aside under a lock and renamed when it
is complete.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import awkward as ak
from filelock import FileLock

from bunchtrain.errors import DataError, MachineError, nearest
from bunchtrain.tables.cache.builder import MANIFEST, SETS, write_cache
from bunchtrain.tables.cache.recipe import VERSION, Recipe
from bunchtrain.tables.cache.shuffling import Shards, blocks_of
from bunchtrain.tables.expressions.expression import Expression, as_mask

#: Events read at once to count those that fulfil a condition.
_ROWS = 65536


@dataclass(frozen=True)
class EventCache:
    """A finished cache, opened for reading."""

    folder: Path
    manifest: dict[str, Any]
    conditions: Mapping[str, Expression] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        folder: Path,
        memory: int = 2 * 10**9,
        progress: Callable[[int], None] | None = None,
    ) -> EventCache:
        """Return the cache of a recipe under `folder`, built if it is not there yet.

        `memory` bounds the bytes of events held at once; `progress` is called with the number of
        events read so far. Raises DataError and StudyError for what the recipe or its data do
        wrong, MachineError for a full disk.
        """
        final = folder / recipe.key()
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{final.name}.lock"):
                if not _is_complete(final):
                    _build_aside(recipe, final, memory, progress)
        return cls.open(final)

    @classmethod
    def open(cls, folder: Path) -> EventCache:
        """Return the cache in a folder.

        Raises DataError if it is not complete.
        """
        if not _is_complete(folder):
            raise DataError(f"{folder} holds no complete cache; build it again")
        return cls(folder, json.loads((folder / MANIFEST).read_text()))

    @property
    def key(self) -> str:
        """The hash of recipe and source."""
        return str(self.manifest["key"])

    @property
    def rows(self) -> dict[str, int]:
        """Set → number of events: train, validation and test."""
        return dict(self.manifest["rows"])

    @property
    def fields(self) -> dict[str, str]:
        """Column → type, as `float32` or `var * float32`."""
        return dict(self.manifest["fields"])

    @property
    def class_names(self) -> dict[str, list[str]]:
        """Target → its classes in the order of their numbers."""
        return dict(self.manifest["classes"])

    @property
    def class_counts(self) -> dict[str, dict[str, list[int]]]:
        """Target → set → number of events of each class."""
        return dict(self.manifest["class_counts"])

    @property
    def cutflow(self) -> dict[str, int]:
        """Condition → events left, in the order in which they are applied; `read` is the first."""
        return dict(self.manifest["cutflow"])

    def first(self, split: str, events: int) -> EventCache:
        """Return the cache with at most so many events in a set, a random choice of them.

        They are its first ones, since a cache is shuffled; `class_counts` stay those of all.
        """
        shards, left = [], events
        for shard in self.manifest["shards"][split]:
            rows = min(shard["rows"], left)
            left -= rows
            shards += [{**shard, "rows": rows}] if rows else []
        changes = {
            "shards": {**self.manifest["shards"], split: shards},
            "rows": {**self.rows, split: events - left},
        }
        return EventCache(self.folder, {**self.manifest, **changes})

    def where(self, condition: str) -> EventCache:
        """Return the cache with the training and validation events that fulfil a condition.

        They are read with the others and left out; `class_counts` stay those of all. Raises
        DataError for a column that the cache lacks.
        """
        chosen = Expression(condition)
        conditions = dict.fromkeys(("train", "validation"), chosen)
        kept = EventCache(self.folder, self.manifest, conditions)
        rows = {s: sum(map(len, kept.blocks(s, _ROWS, columns=chosen.columns))) for s in conditions}
        return replace(kept, manifest={**self.manifest, "rows": self.rows | rows})

    def blocks(
        self,
        split: str,
        rows: int,
        *,
        columns: Collection[str] | None = None,
        order: int | None = None,
    ) -> Iterator[ak.Array]:
        """Yield the events of a set as records, exactly `rows` a block but for the last one.

        With `order`, a seed, they come in the order of that seed, whatever `rows`, `columns` or
        the machine; without, as they lie on disk. Memory holds one buffer of about 16 MB.
        Raises DataError for an unknown set or column.
        """
        if split not in SETS:
            raise DataError(f"the cache has no '{split}'{nearest(split, SETS)}")
        shards = self.manifest["shards"][split]
        paths = [self.folder / shard["file"] for shard in shards]
        wanted, condition = list(columns or self.fields), self.conditions.get(split)
        wanted += [n for n in condition.columns if n not in wanted] if condition else []
        self._check(wanted)
        table = Shards(paths, [shard["rows"] for shard in shards], wanted)
        if order is None:
            pieces = table.in_order()
        else:
            pieces = table.shuffled(order, self.manifest["run"], self.manifest["buffer"])
        if condition is not None:
            pieces = (p[as_mask(condition(p), condition.text)] for p in pieces)
        return blocks_of(rows, pieces)

    def _check(self, columns: Collection[str]) -> None:
        for name in columns:
            if name not in self.fields:
                raise DataError(f"the cache has no '{name}'{nearest(name, self.fields)}")


def _is_complete(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        shards = [shard for name in SETS for shard in manifest["shards"][name]]
        whole = all((folder / s["file"]).stat().st_size == s["bytes"] for s in shards)
    except (OSError, ValueError, KeyError):
        return False
    return whole and manifest["version"] == VERSION


def _build_aside(
    recipe: Recipe, final: Path, memory: int, progress: Callable[[int], None] | None
) -> None:
    aside = final.with_name(f"{final.name}.building")
    for left_over in (aside, final):
        shutil.rmtree(left_over, ignore_errors=True)
    aside.mkdir()
    try:
        write_cache(recipe, aside, memory, progress)
        os.replace(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineError(
                f"the disk of the cache folder {folder} is full; free space or set storage.folder"
            ) from None
        ours = str(problem.filename or "").startswith(str(folder))
        if ours and problem.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise MachineError(
                f"the cache folder {folder} cannot be written; set storage.folder"
            ) from None
        raise
