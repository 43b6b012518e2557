"""The event cache: selected, weighted, split and shuffled events as Arrow shards on this node.

A cache is a folder named by the hash of its recipe and of the content of its source, so that it is
reused if and only if both are the same. It is built in a temporary folder under a lock and renamed
when it is complete.
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
from bunchtrain.tables.cache.shards import Shards, rechunk
from bunchtrain.tables.expressions.expression import Expression, as_mask

#: Events per block when those that pass a condition are counted.
_ROWS = 65536


@dataclass(frozen=True)
class EventCache:
    """A complete cache, opened for reading."""

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
        """Return the cache of a recipe under `folder`, built if it does not exist.

        `memory` is the limit on the memory for events in bytes; `progress` is called with the
        number of events read so far. Raises DataError and StudyError for invalid data or an invalid
        recipe, MachineError for a full disk.
        """
        final = folder / recipe.key()
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{final.name}.lock"):
                if not cls.is_complete(final):
                    _build(recipe, final, memory, progress)
        return cls.open(final)

    @classmethod
    def open(cls, folder: Path) -> EventCache:
        """Return the cache in a folder.

        Raises DataError if it is not complete.
        """
        if not cls.is_complete(folder):
            raise DataError(f"{folder} contains no complete cache; build it again")
        return cls(folder, json.loads((folder / MANIFEST).read_text()))

    @staticmethod
    def is_complete(folder: Path) -> bool:
        """Return whether a folder contains a cache of this version with all its shards."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            shards = [shard for name in SETS for shard in manifest["shards"][name]]
            names_are_plain = all(Path(s["file"]).name == s["file"] for s in shards)
            complete = all((folder / s["file"]).stat().st_size == s["bytes"] for s in shards)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return complete and names_are_plain and bool(manifest["version"] == VERSION)

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
        """Column → type, e.g. `float32` or `var * float32`."""
        return dict(self.manifest["fields"])

    @property
    def class_names(self) -> dict[str, list[str]]:
        """Target → its classes in the order of their indices."""
        return dict(self.manifest["classes"])

    @property
    def class_counts(self) -> dict[str, dict[str, list[int]]]:
        """Target → set → number of events of each class."""
        return dict(self.manifest["class_counts"])

    @property
    def cutflow(self) -> dict[str, int]:
        """Condition → events that pass, in the order of application; `read` is the first."""
        return dict(self.manifest["cutflow"])

    def limit(self, split: str, events: int) -> EventCache:
        """Return the cache with at most `events` random events in a set.

        They are the first ones, since a cache is shuffled; `class_counts` remain those of all.
        """
        shards, missing = [], events
        for shard in self.manifest["shards"][split]:
            rows = min(shard["rows"], missing)
            missing -= rows
            shards += [{**shard, "rows": rows}] if rows else []
        changes = {
            "shards": {**self.manifest["shards"], split: shards},
            "rows": {**self.rows, split: events - missing},
        }
        return EventCache(self.folder, {**self.manifest, **changes})

    def where(self, condition: str) -> EventCache:
        """Return the cache with the training and validation events that pass a condition.

        The other events are read and masked; `class_counts` remain those of all. Raises DataError
        for a column that the cache lacks.
        """
        expression = Expression(condition)
        conditions = dict.fromkeys(("train", "validation"), expression)
        masked = EventCache(self.folder, self.manifest, conditions)
        columns = expression.columns
        rows = {s: sum(map(len, masked.blocks(s, _ROWS, columns=columns))) for s in conditions}
        return replace(masked, manifest={**self.manifest, "rows": self.rows | rows})

    def blocks(
        self,
        split: str,
        rows: int,
        *,
        columns: Collection[str] | None = None,
        order: int | None = None,
    ) -> Iterator[ak.Array]:
        """Yield the events of a set as records in blocks of exactly `rows`, except for the last.

        `order` is a seed that determines the order, independent of `rows`, `columns` and the
        machine; without it, events are in stored order. Memory use is one buffer of about 16 MB.
        Raises DataError for an unknown set or column.
        """
        if split not in SETS:
            raise DataError(f"the cache has no '{split}'{nearest(split, SETS)}")
        shards = self.manifest["shards"][split]
        paths = [self.folder / shard["file"] for shard in shards]
        names, condition = list(columns or self.fields), self.conditions.get(split)
        names += [n for n in condition.columns if n not in names] if condition else []
        for name in names:
            if name not in self.fields:
                raise DataError(f"the cache has no '{name}'{nearest(name, self.fields)}")
        table = Shards(paths, [shard["rows"] for shard in shards], names)
        if order is None:
            chunks = table.read()
        else:
            chunks = table.shuffle(order, self.manifest["run"], self.manifest["buffer"])
        if condition is not None:
            chunks = (c[as_mask(condition(c), condition.text)] for c in chunks)
        return rechunk(rows, chunks)


def _build(
    recipe: Recipe, final: Path, memory: int, progress: Callable[[int], None] | None
) -> None:
    temporary = final.with_name(f"{final.name}.building")
    for folder in (temporary, final):
        shutil.rmtree(folder, ignore_errors=True)
    temporary.mkdir()
    try:
        write_cache(recipe, temporary, memory, progress)
        os.replace(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineError(
                f"the disk of the cache folder {folder} is full; free space or set storage.folder"
            ) from None
        in_cache = str(problem.filename or "").startswith(str(folder))
        if in_cache and problem.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise MachineError(
                f"the cache folder {folder} cannot be written; set storage.folder"
            ) from None
        raise
