"""Stages of kind `train`: a model trained on the events of a stage."""

from __future__ import annotations

from typing import Any

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.study import ModelConfig, model_configs
from bunchtrain.training.start import write_start
from bunchtrain.workflow.graph.default_graph import OTHER_FILES, training_options
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import MODEL, StageFolder, StageInputs, write_study
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.trainings import train_model, training_warnings, trainings


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that trains a model with all its seeds; a killed one is resumed."""
    model = inputs.model(name)
    assert model.events is not None  # as it is trained in this study
    events, start = model.events, model.given.training.get("from", inputs.study.training.start)
    if start is not None:
        _check_start(inputs, name, start)

    def run(context: StageContext) -> None:
        study = inputs.events_study(events, [model])
        cache = inputs.cache(inputs.events_study(events) if events != "prepare" else study)
        write_study(context.place, study)
        place = StageFolder(context.place)
        if start is not None:
            first = inputs.model(start)
            origin = {"run": f"stage '{start}'", "study": inputs.study.name, "model": first.label}
            write_start(first.folder.model(first.label), place.start(model.label), origin)
        train_model(place, study, cache, model.label, resume=context.resume)
        every = trainings(place, study, model_configs(study)[model.label])
        for text in training_warnings(place, every):
            say(f"warning, {name}: {text}")

    def options() -> dict[str, Any]:
        study = inputs.events_study(events, [model])
        return training_options(study, model_configs(study)[model.label])

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


def _check_start(inputs: StageInputs, name: str, start: str) -> None:
    """Raise StudyError if a stage starts from a model of another kind, or from none of a stage."""
    where = f"stages.{name}: training.from"
    stage = inputs.study.stages[name].train
    if stage is None or stage.start is None:
        raise StudyError(
            f"{where} of the study is for the key 'models'; give the stage its own, the name of a "
            "stage, or null"
        )
    if inputs.is_of_other_study(start):  # which is there when its stage has run
        return
    first, own = (_describe(inputs, one) for one in (start, name))
    if first != own:
        raise StudyError(
            f"{where}: '{start}' trains {first}, and the stage {own}; start from one of the same "
            "kind"
        )


def _describe(inputs: StageInputs, name: str) -> str:
    """Return part and posterior of the model of a stage."""
    model = inputs.model(name)
    found: ModelConfig = model_configs(inputs.study_of(model))[model.label]
    text = f"the {found.kind} '{parts.short_name(found.model.name)}'"
    return text + (f" with '{found.posterior.name}'" if found.posterior else "")
