"""Stages of kind `export`: a trained model exported to a target and verified on events."""

from __future__ import annotations

from typing import Any

from bunchtrain.deployment.export import check_supported, export, make_target
from bunchtrain.errors import StudyError
from bunchtrain.study.stages import ExportStage
from bunchtrain.workflow.export import MAX_EVENTS, provenance, test_events
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import StageInputs
from bunchtrain.workflow.progress import say


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that writes the files of the export of the first training of a model.

    They are verified on the test set of the events of the model. Raises StudyError if the model is
    of another study, whose events are not here.
    """
    given: ExportStage = inputs.study.stages[name].options
    if inputs.is_of_other_study(given.of):
        raise StudyError(
            f"stages.{name}.export.of: '{given.of}' is of another study; export it from its run: "
            "bunchtrain export RUN"
        )

    def run(context: StageContext) -> None:
        say(f"exporting {given.of} to {given.name}")
        model = inputs.model(given.of)
        study = inputs.study_of(model)
        trained = inputs.load(model, study)[model.label]
        target = make_target(given.name, given.options, provenance(context.folder, context.study))
        check_supported(trained, target, given.name)
        events = test_events(inputs.cache(study), trained, MAX_EVENTS)
        export(trained, target, given.name, events, context.place)

    def options() -> dict[str, Any]:
        # Exports name their run: those of another run are none of this one.
        content = given.model_dump(mode="json", exclude={"of"})
        return {**content, "run": inputs.folder.path.name}

    names = inputs.names(name)
    return Stage(name, "export", run, names, options, (f"stages/{name}/**/*",), (".*", "job.log"))
