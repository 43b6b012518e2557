"""Stages of kind `prepare`: tables made into the events of trainings, in the event cache."""

from __future__ import annotations

from typing import Any

from bunchtrain.errors import StudyError
from bunchtrain.study.derived import EVENT_KEYS, study_of_events
from bunchtrain.study.schema import Study
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import StageInputs

#: What the file of a stage says about its events, whatever columns are stored and wherever.
_FACTS = ("rows", "classes", "class_counts", "cutflow", "capped")


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that makes the events of the trainings on it, and counts them.

    Raises StudyError if no stage uses the events.
    """
    if not inputs.trained_on(name):
        raise StudyError(f"stages.{name}: no stage uses these events; remove it")

    def run(context: StageContext) -> None:
        cache = inputs.cache(inputs.events_study(name), context.executor)
        facts = {key: cache.manifest[key] for key in _FACTS if key in cache.manifest}
        context.folder.manifest.write_json(context.place / "data.json", facts)

    of_others = [one for one in inputs.trained_on(name) if inputs.is_of_other_study(one)]
    return Stage(
        name,
        "prepare",
        run,
        (*inputs.names(name), *of_others),
        lambda: event_options(inputs, name),
        (f"stages/{name}/data.json",),
    )


def event_options(inputs: StageInputs, events: str) -> dict[str, Any]:
    """Return what decides the events of a stage, beside the stages that it reads."""
    values = study_of_events(inputs.study, events, inputs.folder.path)
    keys = {key: value for key, value in values.items() if key in EVENT_KEYS}
    study = Study.model_construct(**keys)
    stage = inputs.study.stages[events].prepare
    names = stage.of if stage else ["source"]
    own = [inputs.table(one).fingerprint() for one in names if one == "source"]
    return {"keys": study.model_dump(mode="json", include=EVENT_KEYS), "source": own}
