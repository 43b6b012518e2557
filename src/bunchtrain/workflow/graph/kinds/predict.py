"""Stages of kind `predict`: scores of trained models, of a table or of the test set of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bunchtrain.errors import StudyError
from bunchtrain.study import Study
from bunchtrain.study.stages import PredictStage
from bunchtrain.tables.expressions.expression import define
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.predictions import ROWS
from bunchtrain.tables.table import Table
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import TABLE, StageInputs, StageModel, write_study
from bunchtrain.workflow.predict import (
    columns_needed,
    predict_columns,
    used_columns,
    write_predictions,
)
from bunchtrain.workflow.progress import say


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that writes a table with the scores of one or several models."""
    given = inputs.study.stages[name].options
    events = events_of(inputs, name)

    def run(context: StageContext) -> None:
        say(f"predicting {name}")
        models = [inputs.model(one) for one in given.of]
        if events is None:
            _predict_table(inputs, context, models, inputs.table(given.on))
        else:
            _predict_events(inputs, context, models, events)

    place = f"stages/{name}"
    names = [*inputs.names(name), *([events] if events else [])]
    transforms = inputs.study.model_dump(mode="json", include={"transforms"})
    return Stage(
        name,
        "predict",
        run,
        tuple(dict.fromkeys(names)),
        transforms if events and inputs.study.transforms else {},
        (f"{place}/{TABLE}", f"{place}/study.yaml", f"{place}/parts/*"),
    )


def events_of(inputs: StageInputs, name: str) -> str | None:
    """Return the stage of whose events the test set is predicted, None for those of a table.

    Raises StudyError if the models are trained on different events and none are named.
    """
    given: PredictStage = inputs.study.stages[name].options
    if given.on is not None:
        stage = inputs.study.stages.get(given.on)
        is_events = given.on == "prepare" or (stage is not None and stage.prepare is not None)
        return given.on if is_events else None
    for one in given.of:
        stage = inputs.study.stages.get(one)
        if stage is not None and stage.trained is not None:
            raise StudyError(
                f"stages.{name}.predict: '{one}' is of another study; give the table or the events "
                "to predict as 'on'"
            )
    of = {one: inputs.model(one).events for one in given.of}
    (first, events), *others = of.items()
    for other, its in others:
        if its != events:
            raise StudyError(
                f"stages.{name}.predict: '{first}' is trained on '{events}' and '{other}' on "
                f"'{its}'; give the table or the events to predict as 'on'"
            )
    return events


def _predict_events(
    inputs: StageInputs, context: StageContext, models: Sequence[StageModel], events: str
) -> None:
    """Write truth, weights, spectators and scores of the test set of the events of a stage.

    The transforms of the study are applied where all of the models predict what they read.
    """
    study = inputs.predicted_study(events, models)
    trained: dict[str, TrainedModel] = {}
    for model in models:
        trained |= inputs.load(model, study)
    write_study(context.place, study)
    write_predictions(study, inputs.cache(study), trained, context.place / TABLE, "test")


def _predict_table(
    inputs: StageInputs, context: StageContext, models: Sequence[StageModel], table: Table
) -> None:
    """Write the columns of a table and, for each row, the scores of the first training of each."""
    scored: list[tuple[Study, dict[str, TrainedModel]]] = []
    for model in models:
        study = inputs.study_of(model)
        every = inputs.load(model, study)
        scored.append((study, {model.label: every[model.label]}))
    columns = list(table.fields())
    for study, trained in scored:
        columns_needed(study, table, trained, selection=False)

    def blocks() -> Iterator[dict[str, Any]]:
        for block in table.blocks(columns, ROWS):
            found = {column: block[column] for column in columns}
            for study, trained in scored:
                names = used_columns(study, trained, selection=False)
                rows = define(block, study.define, names)
                scores = predict_columns(study, trained, rows)
                for column in scores:
                    if column in columns:
                        raise StudyError(
                            f"stages.{context.stage.name}: the table has a column '{column}', "
                            "which is the name of a score; rename the stage of the model"
                        )
                found |= scores
            yield found

    about = TableMetadata(units=table.units()).as_mapping()
    write_parquet(context.place / TABLE, blocks(), about)
