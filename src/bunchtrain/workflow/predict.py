"""Predictions of trained models as columns, and those of a set of the event cache as a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
from numpy.typing import NDArray

from bunchtrain.errors import DataError, nearest
from bunchtrain.progress_events import report
from bunchtrain.study import Study
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.expressions.expression import Expression, required_columns
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.prediction_contents import METADATA, Contents
from bunchtrain.tables.predictions import ROWS
from bunchtrain.tables.table import Table
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.prediction_schema import schema_of_models
from bunchtrain.workflow.transforms import (
    columns_of_transforms,
    transformed_columns,
    untransformed_columns,
)

Columns = dict[str, NDArray[Any]]


def write_predictions(
    study: Study,
    cache: EventCache,
    models: Mapping[str, TrainedModel],
    path: Path,
    split: str,
    wide: Callable[[], Iterator[tuple[Columns, float]]] | None = None,
) -> dict[str, float]:
    """Write entry, weight, truth, spectators and every model's predictions of a set as Parquet.

    Returns training → events per second, from columns to predictions.

    study   the study of the models.
    cache   its events.
    models  training → model.
    path    file to write, with the schema of its columns.
    split   `train`, `validation` or `test`.
    wide    gives the blocks of one model and their seconds, predicted by other processes.
    """
    seconds = dict.fromkeys(models, 0.0)
    total, done = cache.rows[split], 0

    def chunks() -> Iterator[Columns]:
        nonlocal done
        if wide is not None:
            for columns, spent in wide():
                seconds[next(iter(models))] += spent
                yield columns
            return
        for events in cache.of(split).blocks(None, ROWS):
            report(done, total, text=f"{done:,} of {total:,} events")
            columns = event_columns(study, events)
            for name, model in models.items():
                predicted, spent = timed_columns(study, name, model, events)
                columns |= predicted
                seconds[name] += spent
            done += len(events)
            yield columns

    schema = schema_of_models(study, models)
    about = TableMetadata(units=known_units(study, cache, schema)).as_mapping()
    events = write_parquet(path, chunks(), {METADATA: schema.as_json()} | about)
    return {name: events / spent for name, spent in seconds.items() if spent}


def timed_columns(
    study: Study, name: str, model: TrainedModel, events: ak.Array
) -> tuple[Columns, float]:
    """Return the predictions of a training for a block, and the seconds that they took."""
    begin = time.perf_counter()
    found = predict_columns(study, {name: model}, events)
    return found, time.perf_counter() - begin


def known_units(study: Study, cache: EventCache, schema: Contents) -> dict[str, str]:
    """Return column → unit of the cached columns, and of values and their predictions.

    A value that is a column has its unit, as do its prediction, σ, quantiles and ends of intervals.
    """
    known, found = cache.manifest.get("units", {}), cache.units()
    of_value: dict[tuple[str, str], str] = {}
    for target in study.all_targets():
        for index, value in enumerate(target.values):
            if (unit := known.get(target.expressions[index].strip())) is not None:
                found[f"{target.name}_{index}"] = of_value[target.name, value] = unit
    for name, one in schema.columns.items():
        if (unit := of_value.get((one.target, one.quantity.label))) is not None:
            found[name] = unit
    return found


def event_columns(study: Study, events: ak.Array) -> Columns:
    """Return entry, weight, truth and spectators of a block of events, (events,) each."""
    columns = {"entry": ak.to_numpy(events["entry"]), "weight": ak.to_numpy(events["event_weight"])}
    for target in study.all_targets():
        values = _plain(events[f"target_{target.name}"])
        if target.classes or target.ids:
            columns[target.name] = values
        elif target.assignment:
            roles = target.assignment.roles
            columns |= {f"{target.name}_{role}": values[:, i] for i, role in enumerate(roles)}
        else:
            count = len(target.values)
            columns |= {f"{target.name}_{i}": values[..., i] for i in range(count)}
    return columns | {name: _plain(events[name]) for name in study.spectators}


def _plain(column: ak.Array) -> Any:
    """Return a column as numpy, lists as they are."""
    is_list = column.ndim > 1 and "var" in str(column.type)
    return column if is_list else ak.to_numpy(column)


def predict_columns(study: Study, models: Mapping[str, TrainedModel], events: ak.Array) -> Columns:
    """Return `<training>_<quantity>` → (events,) for a block of events, then the transforms'."""
    found: Columns = {}
    for training, model in models.items():
        made = {f"{training}_{name}": one for name, one in model.predict(events).items()}
        found |= made | transformed_columns(study, training, model, events, made)
    return found


def unpredicted_columns(
    study: Study, models: Mapping[str, TrainedModel], events: ak.Array
) -> dict[str, ak.Array]:
    """Return the columns that are lists for events that are not predicted, as `predict_columns`.

    Items are NaN, and those of transforms −1; edges that a representation makes are not known.
    """
    found: dict[str, ak.Array] = {}
    if not len(events):
        return found
    for training, model in models.items():
        made = {f"{training}_{name}": one for name, one in model.unpredicted(events).items()}
        found |= made | untransformed_columns(study, training, model, events)
    return found


def columns_needed(
    study: Study, source: Table, models: Mapping[str, TrainedModel], *, selection: bool = True
) -> list[str]:
    """Return the columns of a source that the models' inputs and the selection need, sorted.

    Raises DataError, with the nearest names, if the source lacks one.
    """
    available = source.fields()
    needed = required_inputs(study, models, selection=selection)
    inputs = required_inputs(study, models, selection=False)
    for name in sorted(needed):
        if name not in available:
            by_select = f", which the study's select '{study.select}' reads"
            reason = "" if name in inputs else by_select
            hint = nearest(name, available)
            raise DataError(f"the file has no column '{name}'{reason}{hint}")
    return sorted(needed)


def required_inputs(
    study: Study, models: Mapping[str, TrainedModel], *, selection: bool = True
) -> set[str]:
    """Return the columns of the data that models and selection need, also through `define`."""
    names = used_columns(study, models, selection=selection)
    return required_columns(study.define, (f"column({name!r})" for name in names))


def used_columns(
    study: Study, models: Mapping[str, TrainedModel], *, selection: bool = True
) -> set[str]:
    """Return the columns, defined ones too, of inputs, transforms, ensembles and selection."""
    used = {name for model in models.values() for name in model.columns}
    selected = Expression(study.select).columns if selection and study.select else set()
    return used | selected | decorrelation_columns(study) | columns_of_transforms(study)


def decorrelation_columns(study: Study) -> set[str]:
    """Return the columns from which ensembles decorrelate a score."""
    return {one.against for one in study.ensembles.values() if one.against and one.flattens}
