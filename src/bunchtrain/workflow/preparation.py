"""From a study to its event cache and to one task a network, everything checked on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.files import cache_folder
from bunchtrain.methods.task import Task
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.source import Source


def events_folder(study: Study) -> Path:
    """Return the node-local folder of the event caches."""
    chosen = os.path.expandvars(cache_folder(study.storage.folder))
    return Path(chosen).expanduser() / "events"


def make_source(study: Study) -> Source:
    """Return the source of a study's events."""
    made: Source = parts.build("source", study.source.name, study.source.options)
    return made


def source_for_file(study: Study, file: str | Sequence[str]) -> Source:
    """Return a source that reads another file in the way in which the study's source reads its own.

    A generator's events are read back from a file with its columns.
    """
    options = parts.options(parts.find("source", study.source.name))
    reads_files = "files" in options
    name = study.source.name if reads_files else "files"
    kept = study.source.options if reads_files else {}
    made: Source = parts.build("source", name, {**kept, "files": file})
    return made


def check_networks(study: Study) -> None:
    """Raise StudyError if a network cannot be built from its representation and objectives."""
    for name, member in model_configs(study).items():
        try:
            made = task(study, member, Path(), Path())
            made.heads()
            representation = parts.build("representation", *made.representation)
            made.build_model(representation)
        except StudyError as problem:
            where = f"models.{name}: " if study.models else ""
            raise StudyError(f"{where}{problem}") from None


def task(
    study: Study, member: ModelConfig, cache: Path, folder: Path, seed: int | None = None
) -> Task:
    """Return the training of one network as plain data; its seed is the study's if unset."""
    return Task(
        cache=str(cache),
        folder=str(folder),
        representation=(member.representation.name, member.representation.options),
        model=(member.model.name, member.model.options),
        terms=[(t.name, t.options, str(t.target), t.weight) for t in member.loss],
        targets=target_shapes(study),
        settings=member.training.model_dump(mode="json"),
        seed=study.seed if seed is None else seed,
        invalid=study.invalid,
        memory=study.storage.memory,
        posterior=(member.posterior.name, member.posterior.options) if member.posterior else None,
        calibration=[(part.name, part.options) for part in member.calibration],
    )


def target_shapes(study: Study) -> dict[str, dict[str, list[str]]]:
    """Return target → the names of its classes or values."""
    return {
        name: {"classes": list(target.classes)}
        if target.classes
        else {"values": list(target.values or {})}
        for name, target in study.targets.items()
    }


def target_expressions(study: Study) -> dict[str, dict[str, Any]]:
    """Return target → its conditions by class, or the list of its expressions."""
    return {
        name: {"classes": target.classes}
        if target.classes
        else {"values": list((target.values or {}).values())}
        for name, target in study.targets.items()
    }


def representation_columns(study: Study, available: Collection[str]) -> list[str]:
    """Return the columns that the representations of a study read, sorted."""
    needed: set[str] = set()
    for member in model_configs(study).values():
        representation = parts.build(
            "representation", member.representation.name, member.representation.options
        )
        needed.update(representation.columns(available))
    return sorted(needed)


def objective_columns(study: Study) -> list[str]:
    """Return the columns that the objectives of a study look at beside the outputs, sorted."""
    tasks = [task(study, member, Path(), Path()) for member in model_configs(study).values()]
    return sorted({name for made in tasks for name in made.spectators})


def _chosen_by(study: Study) -> set[str]:
    """Return the columns by which networks choose what they are trained on."""
    texts = [member.training.select for member in model_configs(study).values()]
    return set().union(*(Expression(text).columns for text in texts if text))


def recipe(study: Study, source: Source) -> Recipe:
    """Return what the study asks of its events.

    Raises DataError, with the nearest names, if the source lacks a column.
    """
    available = [*source.fields(), *study.define]
    return Recipe(
        source=source,
        targets=target_expressions(study),
        define=study.define,
        select=study.select,
        weights=study.weights.model_dump(),
        split={"name": study.split.name, **study.split.options},
        columns=representation_columns(study, available),
        spectators=sorted({*study.spectators, *objective_columns(study), *_chosen_by(study)}),
        seed=study.seed,
    )


def event_cache(study: Study, progress: Callable[[int], None] | None = None) -> EventCache:
    """Return the study's events, selected, weighted, split and shuffled on the local disk."""
    source = make_source(study)
    source.prepare()
    wanted = recipe(study, source)
    made = EventCache.build(wanted, events_folder(study), study.storage.memory, progress)
    for name in ("train", "validation", "test"):
        if not made.rows[name]:
            raise DataError(
                f"split '{study.split.name}' leaves no event for {name}: change its fractions"
            )
    return made
