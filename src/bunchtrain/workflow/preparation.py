"""Preparation of a study: its source, event cache and the training task of each model."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.files import cache_folder
from bunchtrain.methods.build import AnyNetwork, build_network
from bunchtrain.methods.model_inputs import input_names
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import PointRepresentation, Representation
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.study.base import Part
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.pieces import Spread
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms.conditions import Condition, WithConditions
from bunchtrain.tables.transforms.object_rows import EVENT, ObjectRows
from bunchtrain.tables.transforms.windows import Windows
from bunchtrain.targets import Assignment
from bunchtrain.training.start import read_about
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.transforms import columns_of_transforms

#: Types of columns that are one number per event.
_NUMBER = re.compile(r"\??(u?int\d+|float\d+|bool)")
#: Start of the types of columns of lists of numbers.
_LISTS = re.compile(r"(var|\d+) \* ")


def make_source(study: Study) -> Table:
    """Return the source of a study's events."""
    made: Table = parts.build("source", study.source.name, study.source.options)
    return transform_source(study, made)


def transform_source(study: Study, source: Table) -> Table:
    """Return the rows of objects, or the windows, of a source, by the keys of the study.

    Conditions, of the study or of the source, are added to them.
    """
    if study.rows is not None:
        source = ObjectRows(source, study.rows)
    if study.windows is not None:
        source = Windows(source, **study.windows.model_dump())
    conditions = open_conditions(study, source)
    return WithConditions(source, conditions) if conditions else source


def open_conditions(study: Study, source: Table | None) -> list[Condition]:
    """Return the small tables of the study, and those that travel with the source.

    Raises StudyError for one without a file, or whose key is not known.
    """
    beside = {} if source is None else source.conditions
    found = []
    for name, one in study.conditions.items():
        if one.files is not None:
            given = {"files": one.files, "tree": one.tree, "units": one.units}
            table: Table = parts.build("source", "files", given, where=f"conditions.{name}")
        elif name in beside:
            table = beside[name]
        else:
            if source is None:
                continue
            raise StudyError(
                f"conditions.{name}: give its 'files'; no table of this name lies beside the source"
            )
        key = [one.key] if isinstance(one.key, str) else one.key or table.key_columns
        found.append(Condition(name, table, key, one.missing))
    others = {name: table for name, table in beside.items() if name not in study.conditions}
    return found + [
        Condition(name, table, table.key_columns)
        for name, table in others.items()
        if table.key_columns
    ]


def check_models(study: Study) -> None:
    """Raise StudyError if a model cannot be built from its representation and losses."""
    configs = model_configs(study).items()
    check_tensors(study, {name: build_untrained(study, model)[2] for name, model in configs})


def build_untrained(study: Study, model: ModelConfig) -> tuple[Task, Representation, AnyNetwork]:
    """Return task, representation and network of a model, with initial weights.

    Raises StudyError, naming the model, if its parts do not fit together.
    """
    try:
        made = task(study, model, Path(), Path())
        representation: Representation = parts.build("representation", *made.representation)
        _check_axes(study, model, representation)
        return made, representation, build_network(made, representation)
    except StudyError as problem:
        where = f"models.{model.name}: " if study.models else ""
        raise StudyError(f"{where}{problem}") from None


def check_tensors(study: Study, networks: Mapping[str, AnyNetwork]) -> None:
    """Raise StudyError for a tensor that an option or a representation adds and no model takes."""
    given, used = dict[str, ModelConfig](), dict[str, set[str]]()
    for name, model in model_configs(study).items():
        key = str(model.representation)
        given[key] = model
        used.setdefault(key, set()).update(networks[name].input_names)
    for key, model in given.items():
        name, options = model.representation.name, model.representation.options
        for tensor in parts.build("representation", name, options).sizes:
            # Point clouds always have these, whether they are needed or not.
            is_free = tensor in ("coordinates", "momenta", "lengths")
            is_default = tensor == "features" and tensor not in options
            if tensor not in used[key] and not is_free and not is_default:
                raise StudyError(_unused_tensor(model, tensor))


def _unused_tensor(model: ModelConfig, tensor: str) -> str:
    """Return the message about a tensor that a model does not take."""
    every = parts.locate("model")
    takers = [name for name in every if tensor in input_names(parts.find("model", name))]
    use = f"use a model that takes it ({', '.join(takers[:3])}), or " if takers else ""
    name, network = (parts.short_name(p.name) for p in (model.representation, model.model))
    is_option = tensor in parts.options(parts.find("representation", model.representation.name))
    other = f"leave out the option '{tensor}'" if is_option else "choose another representation"
    return (
        f"representation '{name}': model '{network}' does not take the tensor '{tensor}', which "
        f"would be ignored; {use}{other}"
    )


def _check_axes(study: Study, model: ModelConfig, made: Representation) -> None:
    """Raise StudyError if the representation has no rows for a target of points or edges."""
    of_terms = {term.target for term in model.loss}
    for name, target in study.targets.items():
        if name not in of_terms or target.on == "event":
            continue
        if not isinstance(made, PointRepresentation):
            raise StudyError(
                f"targets.{name}.on: representation '{model.representation.name}' has no points; "
                "choose point_cloud, sequence, graph, layered_graph, module_map or edge_list"
            )
        if target.on == "edge" and "edges" not in made.sizes:
            raise StudyError(
                f"targets.{name}.on: representation '{model.representation.name}' has no edges; "
                "choose graph, layered_graph, module_map or edge_list"
            )
        if target.on == "edge" and not target.same and not made.has_edge_columns:
            raise StudyError(
                f"targets.{name}: representation '{model.representation.name}' makes the edges, "
                "which have no columns; use 'same', or the representation 'edge_list'"
            )
        if target.on not in ("edge", made.group):
            raise StudyError(
                f"targets.{name}.on: '{target.on}' is neither event, edge nor '{made.group}', the "
                "group of the representation"
            )
        if target.assignment:
            _check_products(name, target.assignment, model.representation)


def _check_products(name: str, assignment: Assignment, part: Part) -> None:
    """Raise StudyError if the representation keeps fewer points than a particle has products."""
    most = max(len(products) for _, products in assignment.particles)
    limit = part.options.get("max_points")
    if limit is not None and limit < most:
        raise StudyError(
            f"targets.{name}: a particle has {most} products, and representation '{part.name}' "
            f"keeps {limit} points; raise its 'max_points'"
        )


def task(
    study: Study,
    model: ModelConfig,
    cache: Path,
    folder: Path,
    seed: int | None = None,
    start: Path | None = None,
) -> Task:
    """Return the training of one model as plain data; its seed is the study's if unset.

    start  folder of the trained model that it starts from, if its study has one.

    Raises RunError if this folder has none.
    """
    has_start = start is not None and model.training.start is not None
    terms = {term.target for term in model.loss}
    own = [name for name, one in study.targets.items() if one.on == "event" or name in terms]
    of_model = own if model.kind == "model" else ()
    return Task(
        cache=str(cache),
        folder=str(folder),
        representation=(model.representation.name, model.representation.options),
        model=(model.model.name, model.model.options),
        owns_loss=model.kind == "method",
        terms=[(t.name, t.options, str(t.target), t.weight) for t in model.loss],
        targets={target.name: target for target in study.all_targets() if target.name in of_model},
        settings=model.training.model_dump(mode="json"),
        seed=study.seed if seed is None else seed,
        invalid=study.invalid,
        memory=study.storage.memory,
        posterior=(model.posterior.name, model.posterior.options) if model.posterior else None,
        calibration=[(part.name, part.options) for part in model.calibration],
        start=str(start) if has_start else None,
        start_sha256=read_about(str(start)).sha256 if has_start else None,
    )


def representation_columns(study: Study, available: Collection[str]) -> list[str]:
    """Return the columns that the representations of a study read, sorted."""
    needed: set[str] = set()
    for model in model_configs(study).values():
        representation = parts.build(
            "representation", model.representation.name, model.representation.options
        )
        try:
            needed.update(representation.columns(available))
        except DataError as problem:
            where = f"models.{model.name}." if study.models else ""
            name = parts.short_name(model.representation.name)
            raise DataError(f"{where}representation '{name}': {problem}") from None
    return sorted(needed)


def loss_columns(study: Study) -> list[str]:
    """Return the columns that the losses of a study read, sorted."""
    tasks = [task(study, model, Path(), Path()) for model in model_configs(study).values()]
    return sorted({name for made in tasks for name in made.spectators})


def _selection_columns(study: Study) -> set[str]:
    """Return the columns in the conditions `training.select`."""
    texts = [model.training.select for model in model_configs(study).values()]
    return set().union(*(Expression(text).columns for text in texts if text))


#: Columns for representations, and those for predictions, losses and selections of trainings.
StoredColumns = tuple[list[str], list[str]]


def stored_columns(study: Study, source: Table) -> StoredColumns:
    """Return the columns that the event cache has for the models of a study.

    Raises DataError, with the nearest names, if the source lacks one of a representation.
    """
    others = {*study.spectators, *loss_columns(study), *_selection_columns(study)}
    others |= columns_of_transforms(study)
    return representation_columns(study, [*source.fields(), *study.define]), sorted(others)


def recipe(study: Study, source: Table, stored: StoredColumns | None = None) -> Recipe:
    """Return the recipe of the study's event cache.

    stored  `stored_columns`, which are found by importing the models, if they are known already.

    Raises DataError, with the nearest names, if the source lacks a column.
    """
    columns, spectators = stored or stored_columns(study, source)
    made = Recipe(
        source=source,
        targets=study.all_targets(),
        define=study.define,
        select=study.select,
        weights=study.weights.model_dump(),
        split={"name": study.split.name, **_split_options(study)},
        columns=columns,
        spectators=spectators,
        seed=study.seed,
    )
    if isinstance(source, WithConditions):
        for name in source.looked_up:
            if name in made.stored_columns:
                raise StudyError(
                    f"'{name}' has a value for each key, not for each event: 'define' a column, "
                    f"such as x: {name}[{', '.join(source.looked_up[name][0].key)}]"
                )
    windows = study.windows
    if windows and windows.step < windows.length and not made.make_split().columns():
        raise StudyError(
            f"split '{study.split.name}' divides windows at random, and they overlap, so that the "
            "test set has rows of the training; choose the split 'time' or 'blocks', or set its "
            "'key' to 'series_index'"
        )
    return made


def _split_options(study: Study) -> dict[str, Any]:
    """Return the options of the split, which keeps the rows of an event together."""
    given = study.split.options
    if study.rows is None or "key" not in parts.options(parts.find("split", study.split.name)):
        return given
    return given if given.get("key") is not None else {**given, "key": EVENT}


def event_caches(study: Study) -> Path:
    """Return the folder of the event caches."""
    return cache_folder(study.storage.folder) / "events"


def event_cache(
    study: Study,
    progress: Callable[[int], None] | None = None,
    spread: Spread | None = None,
) -> EventCache:
    """Return the study's events, selected, weighted, split and shuffled on the local disk.

    progress  called with the number of events read so far.
    spread    builds pieces of the cache in other processes.
    """
    source = make_source(study)
    source.prepare()
    if source.note:
        say(source.note)
    wanted = recipe(study, source)
    made = EventCache.build(wanted, event_caches(study), study.storage.memory, progress, spread)
    for name in ("train", "validation", "test"):
        if not made.rows[name]:
            raise DataError(
                f"split '{study.split.name}' leaves no event for {name}: change its fractions"
            )
    _check_columns(study, made)
    return made


def report_unused_definitions(study: Study, source: Table) -> None:
    """Say which columns of `define` nothing uses, but for studies with stages, which share them."""
    for name in () if study.stages else recipe(study, source).unused_definitions():
        say(f"define.{name}: nothing uses this column; remove it, or add it to 'spectators'")


def _check_columns(study: Study, cache: EventCache) -> None:
    """Raise DataError for a spectator that is no number, or inputs that are none, e.g. texts."""
    of_losses = loss_columns(study)
    for name in sorted({*study.spectators, *of_losses}):
        kind = cache.manifest["fields"][name]
        if any(target.on != "event" for target in study.targets.values()):
            kind = kind.removeprefix("var * ")  # a value for each point
            if name not in of_losses:  # a list, such as the hits or the covariance of each track
                kind = _LISTS.sub("", kind)
        if not _NUMBER.fullmatch(kind):
            what = "a text" if "string" in kind else f"of type '{kind}'"
            raise DataError(
                f"the spectator '{name}' is {what} and must be one number per event: 'define' "
                "a number, e.g. a comparison or the length of a list"
            )
    events = next(cache.of("train").blocks(None, 10))
    for model in model_configs(study).values():
        part = model.representation
        try:
            parts.build("representation", part.name, part.options)(events)
        except (ValueError, TypeError) as problem:
            raise DataError(
                f"representation '{part.name}': an input is not a number ({problem}); 'define' "
                "numbers from texts, e.g. by comparisons"
            ) from None
