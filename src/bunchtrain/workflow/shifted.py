"""A run's test set as it would be under a systematic effect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.files import write_json
from bunchtrain.study import Study
from bunchtrain.systematics._shifted import Shifted
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.arrow import to_events
from bunchtrain.tables.cache.external_sort import KEY
from bunchtrain.tables.selection import Selection
from bunchtrain.tables.source import Source
from bunchtrain.tables.splits._split import TEST
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.ensembles import ensemble_columns, load_ensembles
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.predictions import ROWS, event_columns, score_columns
from bunchtrain.workflow.preparation import make_source, recipe
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.result import Run
from bunchtrain.workflow.tested import of_folds

#: Effect → the test set up and down by one deviation.
Variations = dict[str, list[Predictions]]


def effects(study: Study, by: Mapping[str, float | None]) -> dict[str, Systematic]:
    """Return systematic effects by name, of a given size or, if None, of their own.

    Raises StudyError, naming the nearest, if there is no such effect.
    """
    return {name: effect(study, name, size) for name, size in by.items()}


def effect(study: Study, name: str, size: float | None = None) -> Systematic:
    """Return a systematic effect of a study, or the part of that name, of a given size.

    Raises StudyError, naming the nearest, if there is none.
    """
    part, known = study.systematics.get(name), parts.locate("systematic")
    if part is None and name not in known:
        every = [*study.systematics, *known]
        hint = nearest(name, every) or f"; there are {one_of(every)}"
        raise StudyError(f"--by {name}: neither the study nor the toolkit has this effect{hint}")
    options = dict(part.options) if part else {}
    if size is not None:
        options["size"] = size
    where = f"systematics.{name}"
    made: Systematic = parts.build("systematic", part.name if part else name, options, where=where)
    return made


def variations(runs: Sequence[Run], by: Mapping[str, Systematic]) -> Variations:
    """Return the scores of what the runs test, up and down by one deviation of each effect."""
    return {
        name: [of_folds([shifted(run, name, one, sign) for run in runs]) for sign in (1, -1)]
        for name, one in by.items()
    }


def shifted(run: Run, name: str, systematic: Systematic, sign: float) -> Predictions:
    """Return the scores of the test set under an effect, up (+1) or down (−1) by one deviation.

    Other numbers than ±1 are so many deviations.

    The scores are kept in the run's folder and taken from there the next time.
    """
    amount = round(sign * systematic.size, 12)
    path = run.folder.path / "shifts" / f"{name}_{amount:+g}.parquet"
    source = Shifted(make_source(run.study), systematic, amount)
    if not _is_there(path, source):
        say(f"scores with {name} of {amount:+g}")
        path.parent.mkdir(exist_ok=True)
        write_parquet(path, _scored(run, source))
        write_json(path.with_suffix(".json"), {"events": source.fingerprint()})
    return Predictions.read(run.study, path)


def _is_there(path: Path, source: Source) -> bool:
    note = path.with_suffix(".json")
    if not (path.is_file() and note.is_file()):
        return False
    return bool(json.loads(note.read_text(encoding="utf-8")).get("events") == source.fingerprint())


def _scored(run: Run, source: Source) -> Iterator[dict[str, NDArray[Any]]]:
    combinations = load_ensembles(run.folder, run.study)
    for events in _test_set(run.study, source):
        columns = event_columns(run.study, events) | score_columns(run.networks, events)
        yield columns | ensemble_columns(Predictions(run.study, columns), combinations)


def _test_set(study: Study, source: Source) -> Iterator[ak.Array]:
    """Yield the events of the test set of a source, defined and selected as the study says."""
    source.prepare()
    wanted = recipe(study, source)
    select = Selection(wanted)
    for chunk in source.chunks(wanted.reads(), ROWS):
        events = to_events(select(chunk))
        chosen = ak.to_numpy(events[KEY]) >> np.uint64(62) == TEST
        if chosen.any():
            yield events[chosen]
