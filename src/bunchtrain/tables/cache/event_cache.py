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
from itertools import chain
from pathlib import Path
from typing import Any

import awkward as ak
from filelock import FileLock

from bunchtrain.errors import (
    DISK_FULL,
    DataError,
    InterruptedRun,
    MachineError,
    UserError,
    nearest,
)
from bunchtrain.tables.cache.builder import MANIFEST, SETS, write_cache
from bunchtrain.tables.cache.limits import check_disk, first_rows, rows_of_chunk
from bunchtrain.tables.cache.pieces import PLAN, Plan, Spread, write_cache_in_pieces
from bunchtrain.tables.cache.recipe import VERSION, Recipe
from bunchtrain.tables.cache.shards import Shards, rechunk
from bunchtrain.tables.expressions.expression import Expression, as_mask
from bunchtrain.tables.table import Piece, Table, divide

#: Events per block when those that pass a condition are counted.
_ROWS = 65536


@dataclass(frozen=True)
class EventCache(Table):
    """A complete cache, opened for reading: the rows of all its sets, or of some of them.

    folder      of the cache.
    manifest    description of its content.
    selections  set → condition that its rows must fulfil.
    sets        whose rows it has, one after the other.
    """

    folder: Path
    manifest: dict[str, Any]
    selections: Mapping[str, Expression] = field(default_factory=dict)
    sets: tuple[str, ...] = SETS

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        folder: Path,
        memory: int = 2 * 10**9,
        progress: Callable[[int], None] | None = None,
        spread: Spread | None = None,
    ) -> EventCache:
        """Return the cache of a recipe under `folder`, built if it does not exist.

        memory    limit on the memory for events of a process in bytes.
        progress  called with the number of events read so far.
        spread    does pieces of the work in other processes; the content does not depend on it.

        Raises DataError and StudyError for invalid data or an invalid recipe, MachineError for a
        full disk, or if memory or disk are too small; this is found before work starts.
        """
        final = folder / recipe.key()
        with _disk_errors(folder):
            _make_folder(folder)
            with FileLock(folder / f"{final.name}.lock"):
                if not cls.is_complete(final):
                    _build(recipe, final, memory, progress, spread)
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

    def fingerprint(self) -> str:
        """Return the hash of recipe and source, with the sets."""
        return f"{self.key} {self.sets}"

    @property
    def entries(self) -> int:
        """The number of its rows."""
        return sum(self.rows[name] for name in self.sets)

    @property
    def rows(self) -> dict[str, int]:
        """Set → number of events: train, validation and test."""
        return dict(self.manifest["rows"])

    def fields(self) -> dict[str, str]:
        """Column → type, e.g. `float32` or `var * float32`."""
        return dict(self.manifest["fields"])

    def units(self) -> dict[str, str]:
        """Return column → unit, as far as it is known."""
        return {n: u for n, u in self.manifest.get("units", {}).items() if n in self.fields()}

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
        return replace(self, manifest={**self.manifest, **changes})

    def of(self, split: str) -> EventCache:
        """Return the rows of one set.

        Raises DataError for an unknown set.
        """
        if split not in SETS:
            raise DataError(f"the cache has no '{split}'{nearest(split, SETS)}")
        return replace(self, sets=(split,))

    def where(self, condition: str) -> EventCache:
        """Return the cache with the training and validation events that pass a condition.

        The other events are read and masked; `class_counts` remain those of all. Raises DataError
        for a column that the cache lacks.
        """
        expression = Expression(condition)
        selections = dict.fromkeys(("train", "validation"), expression)
        masked, columns = replace(self, selections=selections), expression.columns
        rows = {s: sum(map(len, masked.of(s).blocks(columns, _ROWS))) for s in selections}
        return replace(masked, manifest={**self.manifest, "rows": self.rows | rows})

    def blocks(
        self, columns: Collection[str] | None, rows: int, order: int | None = None
    ) -> Iterator[ak.Array]:
        """Yield the rows as records in blocks of exactly `rows`, except for the last of a set.

        columns  all if None.
        order    seed that determines the order of the rows of each set, independent of `rows`,
                 `columns` and the machine; without it, they are in stored order.

        Memory use is one buffer of about 16 MB. Raises DataError for an unknown column.
        """
        known = self.fields()
        for name in columns or ():
            if name not in known:
                raise DataError(f"the cache has no '{name}'{nearest(name, known)}")
        chosen = list(known if columns is None else columns)
        return chain.from_iterable(self._set_blocks(s, chosen, rows, order) for s in self.sets)

    def pieces(self, rows: int) -> list[Piece]:
        """Return each block of `rows` rows of each set; [] if some rows are masked."""
        if self.selections:
            return []
        counts = [self.rows[name] for name in self.sets]
        return divide(counts, [range(0, count, rows) for count in counts])

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of a piece in stored order."""
        table = self._shards(self.sets[piece.file], list(columns))
        for start in range(piece.start, piece.stop, rows):
            yield table.rows(start, min(start + rows, piece.stop))

    def _shards(self, split: str, columns: list[str]) -> Shards:
        shards = self.manifest["shards"][split]
        paths = [self.folder / shard["file"] for shard in shards]
        return Shards(paths, [shard["rows"] for shard in shards], columns)

    def _set_blocks(
        self, split: str, columns: list[str], rows: int, order: int | None
    ) -> Iterator[ak.Array]:
        condition = self.selections.get(split)
        needed = condition.columns if condition is not None else ()
        read = list(dict.fromkeys([*columns, *needed]))
        table = self._shards(split, read)
        if order is None:
            chunks = table.read(rows)
        else:
            chunks = table.shuffle(order, self.manifest["run"], self.manifest["buffer"])
        if condition is not None:
            chunks = (c[as_mask(condition(c), condition.text)] for c in chunks)
        return rechunk(rows, chunks)


def _build(
    recipe: Recipe,
    final: Path,
    memory: int,
    progress: Callable[[int], None] | None,
    spread: Spread | None,
) -> None:
    temporary = final.with_name(f"{final.name}.building")
    shutil.rmtree(final, ignore_errors=True)
    sample = first_rows(recipe)
    check_disk(recipe, sample, final.parent)
    rows = rows_of_chunk(recipe, sample, memory)
    plan = Plan.of(recipe, memory, rows) if spread else None
    is_divided = plan is not None and len(plan.groups) > 1
    if not (is_divided and (temporary / PLAN).is_file() and Plan.read(temporary) == plan):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    keep = False
    try:
        if plan and spread and is_divided:
            write_cache_in_pieces(recipe, temporary, plan, spread)
        else:
            write_cache(recipe, temporary, memory, rows, progress)
        os.replace(temporary, final)
    except (InterruptedRun, MachineError, KeyboardInterrupt):
        keep = is_divided  # the next attempt continues from the pieces that are there
        raise
    finally:
        if not keep:
            shutil.rmtree(temporary, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as problem:
        raise UserError(
            f"the cache folder {folder} cannot be made ({problem.strerror}: {problem.filename}); "
            "set storage.folder or BUNCHTRAIN_CACHE"
        ) from None


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in DISK_FULL:
            raise MachineError(
                f"the disk of the cache folder {folder} is full; free space or set storage.folder"
            ) from None
        in_cache = str(problem.filename or "").startswith(str(folder))
        if in_cache and problem.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise MachineError(
                f"the cache folder {folder} cannot be written; set storage.folder"
            ) from None
        raise
