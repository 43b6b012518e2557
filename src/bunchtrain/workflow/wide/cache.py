"""The sample and the event cache of a study, made in pieces."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import yaml

from bunchtrain import parts
from bunchtrain.files import write_text
from bunchtrain.progress_events import report
from bunchtrain.simulation._sample import Sample
from bunchtrain.study import Study, validate
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
from bunchtrain.workflow.folder import dump
from bunchtrain.workflow.preparation import event_cache, make_source, recipe
from bunchtrain.workflow.wide.spread import spread

_STUDY = "study.yaml"


class CachePieces:
    """The pieces of one step of the event cache of a study.

    study   file of the study.
    folder  of the cache that is being built.
    step    `select` or `shards`.
    """

    def __init__(self, study: str, folder: str, step: Step) -> None:
        self.study, self.folder, self.step = study, Path(folder), step

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the cache; shards need none, nor its libraries."""
        read = _read(self.study)
        return recipe(read, make_source(read))

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

        place = folder.with_suffix(".jobs").absolute()
        write_text(place / _STUDY, dump(study))
        given = {"study": str(place / _STUDY), "folder": str(folder.absolute()), "step": step}
        spread(executor, place, "cache", given, count, show if step == "select" else lambda: None)

    return do


class SampleParts:
    """The missing parts of a simulated sample, each of a seed of its own.

    study  file of the study whose source it is.
    """

    def __init__(self, study: str) -> None:
        source = _read(study).source
        self.sample: Sample = parts.build("source", source.name, source.options)

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
    place = place.absolute() / ".jobs"
    write_text(place / _STUDY, dump(study))
    given = {"study": str(place / _STUDY)}
    spread(executor, place, "source", given, len(source.parts()))


def _read(study: str) -> Study:
    return validate(yaml.safe_load(Path(study).read_text(encoding="utf-8")), study)
