"""Predictions of trained models as columns, of a set of the event cache and of any other file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, UserError, nearest
from bunchtrain.study import Study
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.expressions.expression import Expression, as_mask, define, required_columns
from bunchtrain.tables.predictions import METADATA, Predictions
from bunchtrain.tables.source import Source
from bunchtrain.tables.writing import write_parquet, write_root
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.ensembles import FittedEnsembles, ensemble_columns
from bunchtrain.workflow.prediction_schema import schema_of_models

#: The tree of predictions in a ROOT file, to be used as a friend.
TREE = "scores"
#: Events in a block.
ROWS = 16384

Columns = dict[str, NDArray[Any]]


def write_predictions(
    study: Study, cache: EventCache, models: Mapping[str, TrainedModel], path: Path, split: str
) -> dict[str, float]:
    """Write entry, weight, truth, spectators and every model's predictions of a set as Parquet.

    Returns training → events per second, from columns to predictions.

    study   the study of the models.
    cache   its events.
    models  training → model.
    path    file to write, with the schema of its columns.
    split   `train`, `validation` or `test`.
    """
    seconds = dict.fromkeys(models, 0.0)

    def chunks() -> Iterator[Columns]:
        for events in cache.blocks(split, ROWS):
            columns = event_columns(study, events)
            for name, model in models.items():
                begin = time.perf_counter()
                columns |= predict_columns({name: model}, events)
                seconds[name] += time.perf_counter() - begin
            yield columns

    schema = schema_of_models(study, models)
    events = write_parquet(path, chunks(), {METADATA: schema.as_json()})
    return {name: events / spent for name, spent in seconds.items() if spent}


def event_columns(study: Study, events: ak.Array) -> Columns:
    """Return entry, weight, truth and spectators of a block of events, (events,) each."""
    columns = {"entry": ak.to_numpy(events["entry"]), "weight": ak.to_numpy(events["event_weight"])}
    for name, target in study.targets.items():
        values = ak.to_numpy(events[f"target_{name}"])
        if target.classes:
            columns[name] = values
        else:
            columns |= {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}
    return columns | {name: ak.to_numpy(events[name]) for name in study.spectators}


def predict_columns(models: Mapping[str, TrainedModel], events: ak.Array) -> Columns:
    """Return `<training>_<quantity>` → (events,) for a block of events."""
    return {
        f"{training}_{name}": values
        for training, model in models.items()
        for name, values in model.predict(events).items()
    }


def predict_file(
    study: Study,
    source: Source,
    models: Mapping[str, TrainedModel],
    output: Path,
    fitted: FittedEnsembles,
) -> int:
    """Write the predictions for all events of a source, in its order, as ROOT or Parquet.

    Events that the study does not select get NaN, so that the rows stay those of the input and
    the columns can be used as friends. Returns the number of events.

    study   the study of the models.
    source  events.
    models  training → model; the study's ensembles of them follow.
    output  `.root` or `.parquet`.
    fitted  what is fitted for the ensembles.

    Raises UserError for another kind of output, DataError for a missing column.
    """
    if output.suffix not in (".root", ".parquet"):
        raise UserError(f"{output}: scores are written as .root or .parquet")
    chunks = _prediction_chunks(study, source, models, fitted)
    if output.suffix == ".root":
        return write_root(output, chunks, TREE)
    return write_parquet(output, chunks)


def _prediction_chunks(
    study: Study, source: Source, models: Mapping[str, TrainedModel], fitted: FittedEnsembles
) -> Iterator[Columns]:
    select = Expression(study.select) if study.select else None
    schema = schema_of_models(study, models)
    for chunk in source.chunks(columns_needed(study, source, models), ROWS):
        events = define(chunk, study.define, used_columns(study, models))
        kept = np.ones(len(events), bool)
        if select is not None:
            kept = as_mask(select(events), study.select or "")
        columns = predict_columns(models, events[kept])
        spectators = {
            name: ak.to_numpy(events[kept][name]) for name in _decorrelation_columns(study)
        }
        columns |= ensemble_columns(study, Predictions(schema, columns | spectators), fitted)
        filled = {name: np.full(len(kept), np.nan, np.float32) for name in columns}
        for name, values in columns.items():
            filled[name][kept] = values
        yield filled


def columns_needed(study: Study, source: Source, models: Mapping[str, TrainedModel]) -> list[str]:
    """Return the columns of a source that the selection and the models' inputs need, sorted.

    Raises DataError, with the nearest names, if the source lacks one.
    """
    available = source.fields()
    used = used_columns(study, models, selection=False)
    texts = [study.select] if study.select else []
    texts += [text for name, text in study.define.items() if name in used]
    needed = {name for name in used if name not in study.define}
    needed |= required_columns(study.define, texts)
    for name in sorted(needed):
        if name not in available:
            raise DataError(f"the file has no column '{name}'{nearest(name, available)}")
    return sorted(needed)


def used_columns(
    study: Study, models: Mapping[str, TrainedModel], *, selection: bool = True
) -> set[str]:
    """Return the columns, defined ones too, of the models' inputs, ensembles and selection."""
    used = {name for model in models.values() for name in model.columns}
    selected = Expression(study.select).columns if selection and study.select else set()
    return used | selected | _decorrelation_columns(study)


def _decorrelation_columns(study: Study) -> set[str]:
    """Return the columns from which ensembles decorrelate a score."""
    return {one.against for one in study.ensembles.values() if one.against and one.flattens}
