"""The sample and the event cache of a study, made in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.progress_events import report
from bunchtrain.simulation._sample import Sample
from bunchtrain.study import Study
from bunchtrain.study.base import Part
from bunchtrain.study.derived import EVENT_KEYS
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.pieces import (
    Spread,
    Step,
    is_done,
    rows_done,
    select_piece,
    write_shard,
)
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.preparation import (
    StoredColumns,
    event_cache,
    make_source,
    recipe,
    stored_columns,
)
from bunchtrain.workflow.wide.spread import spread

#: Keys of a study without models that has the same events.
_DATA = {"name", "source", *EVENT_KEYS}


class CachePieces:
    """The pieces of one step of the event cache of a study.

    folder  of the cache that is being built.
    step    `select` or `shards`.
    data    keys of the study that decide its events; for `select`, like `stored`.
    stored  columns that its models need, so that a process does not import the models.
    """

    def __init__(
        self,
        folder: str,
        step: Step,
        data: Mapping[str, Any] | None = None,
        stored: StoredColumns | None = None,
    ) -> None:
        self.folder, self.step, self.data, self.stored = Path(folder), step, data, stored

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the cache."""
        study = Study.model_validate(self.data)
        return recipe(study, make_source(study), self.stored)

    def is_done(self, index: int) -> bool:
        """Return whether a piece is there."""
        return is_done(self.folder, self.step, index)

    def do(self, index: int) -> None:
        """Select and sort a piece of the source, or write a shard."""
        if self.step == "select":
            select_piece(self.recipe, self.folder, index)
        else:
            write_shard(self.folder, index)


def prepare_events(study: Study, executor: Executor | None = None) -> EventCache:
    """Return the prepared events of a study, with progress; made by the jobs of an executor if any.

    Raises DataError for invalid rows.
    """

    def progress(done: int) -> None:
        report(done, text=f"{done:,} events read")

    spread = spread_cache(study, executor, progress) if executor else None
    return event_cache(study, progress, spread)


def spread_cache(
    study: Study, executor: Executor, progress: Callable[[int], None] | None
) -> Spread:
    """Return what builds the event cache of a study by the jobs of an executor."""

    def do(folder: Path, step: Step, count: int) -> None:
        def show() -> None:
            if progress is not None:
                progress(rows_done(folder))

        given: dict[str, Any] = {"folder": str(folder.absolute()), "step": step}
        if step == "select":
            data = study.model_dump(mode="json", by_alias=True, include=_DATA)
            stored = stored_columns(study, make_source(study))
            given |= {"data": {**data, "evaluation": []}, "stored": stored}
        place = folder.with_suffix(".jobs").absolute()
        spread(executor, place, "cache", given, count, show if step == "select" else lambda: None)

    return do


class SampleParts:
    """The missing parts of a simulated sample, each of a seed of its own.

    source  name and options of the sample.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        part = Part.model_validate(source)
        self.sample: Sample = parts.build("source", part.name, part.options)

    def is_done(self, index: int) -> bool:
        """Return whether a part is there."""
        return self.sample.parts()[index].exists()

    def do(self, index: int) -> None:
        """Simulate a part."""
        self.sample.produce(index)


def prepare_source(study: Study, executor: Executor, place: Path) -> None:
    """Create the missing files of a study's source; parts of a simulation by jobs.

    place  folder in which the jobs write their logs.
    """
    source = parts.build("source", study.source.name, study.source.options)
    if not isinstance(source, Sample) or source.is_prepared:
        source.prepare()
        return
    source.check_maker()
    given = {"source": study.source.model_dump(mode="json")}
    spread(executor, place.absolute() / ".jobs", "source", given, len(source.parts()))
