"""Stages of kind `train`: a model trained on the events of a stage."""

from __future__ import annotations

from typing import Any

from bunchtrain.errors import StudyError
from bunchtrain.study import model_configs
from bunchtrain.workflow.graph.default_graph import OTHER_FILES, training_options
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import MODEL, StageFolder, StageInputs, write_study
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.trainings import train_model, training_warnings, trainings


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that trains a model with all its seeds; a killed one is resumed."""
    model = inputs.model(name)
    assert model.events is not None  # as it is trained in this study
    if model.given.training.get("from", inputs.study.training.start) is not None:
        raise StudyError(
            f"stages.{name}: 'training.from' is for the key 'models', not for stages of kind "
            "'train'; remove it"
        )
    events = model.events

    def run(context: StageContext) -> None:
        study = inputs.events_study(events, [model])
        cache = inputs.cache(inputs.events_study(events) if events != "prepare" else study)
        write_study(context.place, study)
        place = StageFolder(context.place)
        train_model(place, study, cache, name, resume=context.resume)
        for text in training_warnings(place, trainings(place, study, model_configs(study)[name])):
            say(f"warning, {name}: {text}")

    def options() -> dict[str, Any]:
        study = inputs.events_study(events, [model])
        return training_options(study, model_configs(study)[name])

    place = f"stages/{name}"
    return Stage(
        name,
        "train",
        run,
        inputs.names(name),
        options,
        (f"{place}/{MODEL}/**/*", f"{place}/study.yaml", f"{place}/parts/*"),
        OTHER_FILES,
        in_process=False,
    )
