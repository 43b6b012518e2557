"""Scores as columns: of the test set beside the truth, and of any other file."""

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
from bunchtrain.tables.source import Source
from bunchtrain.tables.writing import write_parquet, write_root
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.ensembles import Combinations, ensemble_columns
from bunchtrain.workflow.prediction_table import Predictions

#: The tree of scores in a ROOT file, to be used as a friend.
TREE = "scores"
#: Events that are predicted at once.
ROWS = 16384

Columns = dict[str, NDArray[Any]]


def write_predictions(
    study: Study, cache: EventCache, networks: Mapping[str, TrainedModel], path: Path, split: str
) -> dict[str, float]:
    """Write entry, weight, truth, spectators and every network's scores of a set as Parquet.

    Returns network → events scored per second, from columns to scores.
    """
    seconds = dict.fromkeys(networks, 0.0)
    events = write_parquet(path, _set_chunks(study, cache, networks, split, seconds))
    return {name: events / spent for name, spent in seconds.items() if spent}


def _set_chunks(
    study: Study,
    cache: EventCache,
    networks: Mapping[str, TrainedModel],
    split: str,
    seconds: dict[str, float],
) -> Iterator[Columns]:
    for events in cache.blocks(split, ROWS):
        columns = event_columns(study, events)
        for name, network in networks.items():
            begin = time.perf_counter()
            columns |= score_columns({name: network}, events)
            seconds[name] += time.perf_counter() - begin
        yield columns


def event_columns(study: Study, events: ak.Array) -> Columns:
    """Return entry, weight, truth and spectators of a block of events, (events,) each."""
    columns = {"entry": _flat(events["entry"]), "weight": _flat(events["event_weight"])}
    columns |= _truth(study, events)
    return columns | {name: _flat(events[name]) for name in study.spectators}


def _truth(study: Study, events: ak.Array) -> Columns:
    columns: Columns = {}
    for name, target in study.targets.items():
        values = ak.to_numpy(events[f"target_{name}"])
        if target.classes:
            columns[name] = values
        else:
            columns |= {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}
    return columns


def _flat(column: ak.Array) -> NDArray[Any]:
    values: NDArray[Any] = ak.to_numpy(column)
    return values


def score_columns(networks: Mapping[str, TrainedModel], events: ak.Array) -> Columns:
    """Return `<network>_<score>` → (events,) for a block of events."""
    return {
        f"{member}_{name}": values
        for member, network in networks.items()
        for name, values in network.predict(events).items()
    }


def predict_file(
    study: Study,
    source: Source,
    networks: Mapping[str, TrainedModel],
    output: Path,
    combinations: Combinations,
) -> int:
    """Write the scores of all events of a source, in its order, as ROOT or Parquet.

    `combinations` are the trained ones among the study's ensembles, whose scores follow.

    Events that the study's selection leaves out get NaN scores, so that the rows stay those of
    the input and the columns can be used as friends. Returns the number of events.

    Raises UserError for another kind of output, DataError for a missing column.
    """
    if output.suffix not in (".root", ".parquet"):
        raise UserError(f"{output}: scores are written as .root or .parquet")
    chunks = _score_chunks(study, source, networks, combinations)
    if output.suffix == ".root":
        return write_root(output, chunks, TREE)
    return write_parquet(output, chunks)


def _score_chunks(
    study: Study, source: Source, networks: Mapping[str, TrainedModel], combinations: Combinations
) -> Iterator[Columns]:
    select = Expression(study.select) if study.select else None
    for chunk in source.chunks(columns_needed(study, source, networks), ROWS):
        events = define(chunk, study.define)
        kept = np.ones(len(events), bool)
        if select is not None:
            kept = as_mask(select(events), study.select or "")
        scores = score_columns(networks, events[kept])
        beside = {name: _flat(events[kept][name]) for name in _flattened(study)}
        scores |= ensemble_columns(Predictions(study, scores | beside), combinations)
        yield {name: _spread(values, kept) for name, values in scores.items()}


def columns_needed(study: Study, source: Source, networks: Mapping[str, TrainedModel]) -> list[str]:
    """Return the columns of a source that the selection and the networks' inputs need, sorted.

    Raises DataError, with the nearest names, if the source lacks one.
    """
    available = source.fields()
    used = {name for network in networks.values() for name in network.columns}
    used |= _flattened(study)
    texts = [study.select] if study.select else []
    texts += [text for name, text in study.define.items() if name in used]
    needed = {name for name in used if name not in study.define}
    needed |= required_columns(study.define, texts)
    for name in sorted(needed):
        if name not in available:
            raise DataError(f"the file has no column '{name}'{nearest(name, available)}")
    return sorted(needed)


def _flattened(study: Study) -> set[str]:
    """Return the columns on which a score's dependence is taken out."""
    return {one.against for one in study.ensembles.values() if one.against and one.flattens}


def _spread(values: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    spread = np.full(len(kept), np.nan, np.float32)
    spread[kept] = values
    return spread
