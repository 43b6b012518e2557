"""Predictions of a run's test set under a systematic effect, cached in the folder of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import awkward as ak
import numpy as np

from bunchtrain.files import read_json, write_json
from bunchtrain.study import Study
from bunchtrain.systematics._shifted_source import ShiftedSource
from bunchtrain.systematics._systematic import Systematic, describe_shift
from bunchtrain.tables.arrow import to_events
from bunchtrain.tables.cache.selection import KEY, Selection
from bunchtrain.tables.prediction_contents import METADATA
from bunchtrain.tables.predictions import ROWS, Predictions
from bunchtrain.tables.splits._split import TEST
from bunchtrain.tables.table import Table
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.ensembles import ensemble_columns, load_ensembles
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.predict import (
    Columns,
    event_columns,
    predict_columns,
    required_inputs,
)
from bunchtrain.workflow.prediction_schema import read_predictions, schema_of_models
from bunchtrain.workflow.preparation import make_source, recipe
from bunchtrain.workflow.progress import say


def shifted_predictions(
    folder: RunFolder,
    study: Study,
    models: Mapping[str, TrainedModel],
    name: str,
    systematic: Systematic,
    deviations: float,
) -> Predictions:
    """Return the predictions of the test set under an effect; the second time from the cache.

    folder      folder of the run.
    study       study of the run.
    models      first training of each model.
    name        of the effect, for the file.
    systematic  the effect.
    deviations  shift in standard deviations, as +1 or −1.
    """
    amount = round(deviations * systematic.size, 12)
    path = _path(folder, name, systematic, deviations)
    note = path.with_suffix(".json")
    source = ShiftedSource(make_source(study), systematic, amount)
    found = read_json(note) if note.is_file() else {}
    if not path.is_file() or found.get("events") != source.fingerprint() or "changed" not in found:
        say(f"predictions with {name} of {amount:+g}")
        path.parent.mkdir(exist_ok=True)
        _write(folder, study, models, source, path)
        used = recipe(study, source).source_columns()
        inputs = required_inputs(study, models)
        found = {
            "events": source.fingerprint(),
            "changed": [column for column in used if column in source.changed],
            "unchanged": [column for column in used if column not in source.changed],
            "inputs": [column for column in used if column in source.changed & inputs],
        }
        write_json(note, found)
    if deviations > 0:
        say(describe_shift(name, systematic, found))
    return read_predictions(path, study)


def shifted_columns(
    folder: RunFolder, name: str, systematic: Systematic, deviations: float
) -> dict[str, list[str]]:
    """Return the used columns that an effect changed and did not, and the changed inputs of models.

    The predictions under this shift must have been made.
    """
    note = _path(folder, name, systematic, deviations).with_suffix(".json")
    found = read_json(note)
    return {key: list(found[key]) for key in ("changed", "unchanged", "inputs")}


def _path(folder: RunFolder, name: str, systematic: Systematic, deviations: float) -> Path:
    """Return the file of the predictions, whose name holds only letters, digits and `_`."""
    amount = round(deviations * systematic.size, 12)
    return (
        folder.path / "shifts" / f"{re.sub(r'[^A-Za-z0-9]+', '_', name)[:80]}_{amount:+g}.parquet"
    )


def _write(
    folder: RunFolder,
    study: Study,
    models: Mapping[str, TrainedModel],
    source: ShiftedSource,
    path: Path,
) -> None:
    fitted, schema = load_ensembles(folder, study), schema_of_models(study, models)

    def chunks() -> Iterator[Columns]:
        for events in _test_set(study, source):
            columns = event_columns(study, events) | predict_columns(study, models, events)
            yield columns | ensemble_columns(study, Predictions(schema, columns), fitted)

    write_parquet(path, chunks(), {METADATA: schema.as_json()})


def _test_set(study: Study, source: Table) -> Iterator[ak.Array]:
    """Yield the events of the test set of a source, with the study's columns and selection."""
    source.prepare()
    wanted = recipe(study, source)
    select = Selection(wanted)
    for chunk in source.blocks(wanted.source_columns(), ROWS):
        events = to_events(select(chunk))
        chosen = ak.to_numpy(events[KEY]) >> np.uint64(62) == TEST
        if chosen.any():
            yield events[chosen]
