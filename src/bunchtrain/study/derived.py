"""The study that a stage stands for: a study's keys, replaced by those of the stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.study.base import Part
from bunchtrain.study.model_keys import ModelOverrides
from bunchtrain.study.models import model_configs
from bunchtrain.study.schema import Study
from bunchtrain.study.stages import PrepareStage

#: Keys of a study that decide its events; those of the second line belong to its source.
_DATA = ("define", "select", "targets", "truth", "weights", "split", "spectators", "invalid")
_OF_SOURCE = ("conditions", "rows", "windows")
#: All that decide the events of a source, with the seed of its split.
EVENT_KEYS = {*_DATA, *_OF_SOURCE, "seed"}
#: Keys that a derived study has from its study, beside those of the data.
_KEPT = (
    *("name", "title", "seed", "representation", "model", "method", "loss", "posterior"),
    *("calibration", "training", "seeds", "systematics", "storage"),
)


@dataclass(frozen=True)
class StageModel:
    """A model that a stage trains.

    label   start of the names of its scores: that of the stage or of the study's own model.
    given   its keys, beside the study's.
    events  stage with the events that it is trained on.
    """

    label: str
    given: ModelOverrides
    events: str


def stage_model(study: Study, name: str) -> StageModel:
    """Return the model of a stage `train`, `train.<model>` or of kind `train`."""
    stage = study.stages[name].train if name in study.stages else None
    if stage is not None:
        own = {key: getattr(stage, key) for key in stage.model_fields_set - {"of"}}
        return StageModel(name.removeprefix("train."), ModelOverrides(**own), stage.of)
    label = name.removeprefix("train.")
    label = next(iter(model_configs(study))) if name == "train" else label
    return StageModel(label, study.models.get(label, ModelOverrides()), "prepare")


def derived_study(
    study: Study, events: str, models: Mapping[str, ModelOverrides], run: Path
) -> Study:
    """Return the study of models on the events of a stage.

    events  stage with prepared events.
    models  label → keys of the model.
    run     folder of the run, in which the tables of stages are.

    Raises StudyError if the keys do not fit together.
    """
    values = {**study_of_events(study, events, run), "models": dict(models)}
    try:
        return Study.model_validate(values)
    except pydantic.ValidationError as problem:
        key, text = parts.describe_problem(problem, values)
        raise StudyError(f"{key}: {text}") from None


def study_of_events(study: Study, prepare: str, run: Path) -> dict[str, Any]:
    """Return the keys of the study whose events are those of a stage, without models.

    prepare  stage with prepared events.
    run      folder of the run.
    """
    stage = study.stages[prepare].prepare if prepare in study.stages else PrepareStage()
    assert stage is not None  # as the references of stages are checked
    given = study.model_fields_set
    values: dict[str, Any] = {key: getattr(study, key) for key in _KEPT if key in given}
    inherited = [*_DATA, *(_OF_SOURCE if stage.of == ["source"] else ())]
    values |= {key: getattr(study, key) for key in inherited if key in given}
    if stage.targets is not None:  # terms of the loss and calibrations are of the study's targets
        values = {k: v for k, v in values.items() if k not in ("loss", "calibration")}
    for key in stage.model_fields_set - {"of"}:
        values[key] = getattr(stage, key)
    values = {key: value for key, value in values.items() if value is not None}
    tables = [table_part(study, name, run) for name in stage.of]
    together = [one.model_dump(mode="json") for one in tables]
    only = tables[0] if len(tables) == 1 else Part(name="concatenate", tables=together)
    return values | {"source": only, "evaluation": []}


def table_part(study: Study, name: str, run: Path) -> Part:
    """Return the source of the table of a stage, in a run folder unless it is the study's own."""
    if name == "source":
        of = study.source_stage
        return study.source if of is None else table_part(study, of, run)
    if name in study.stages and (part := study.stages[name].source):
        return part
    path = run / "stages" / name / "table.parquet"
    if name == "predictions":
        path = run / "predictions.parquet"
    elif name not in study.stages:
        path = run / "models" / name.removeprefix("predict.") / "test.parquet"
    return Part(name="files", files=str(path), by_content=True)


def with_source(study: Study, run: Path) -> Study:
    """Return a study whose source is the table of a stage with that table's file in a run."""
    of = study.source_stage
    if of is None:
        return study
    found = study.model_copy(update={"source": table_part(study, of, run)})
    found._source_stage = of
    return found
