"""The whole graph of a study: the default stages, and those of the key `stages`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bunchtrain.study import Study
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph import repeat_evaluations
from bunchtrain.workflow.graph.default_graph import DefaultGraph
from bunchtrain.workflow.graph.kinds import (
    evaluate,
    export,
    generate,
    predict,
    prepare,
    repeat,
    rollout,
    train,
    trained,
    transform,
)
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import StageInputs


def _source(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that opens a table, or simulates it; others read it in place."""

    def options() -> dict[str, Any]:
        table = inputs.table(name)
        part = inputs.study.stages[name].options
        return {"source": part.model_dump(mode="json"), "content": table.fingerprint()}

    def run(context: StageContext) -> None:
        inputs.table(name).prepare()

    return Stage(name, "source", run, options=options, is_cached=False)


#: Kind of stage → what makes a stage of this name.
KINDS: Mapping[str, Callable[[StageInputs, str], Stage]] = {
    "source": _source,
    "prepare": prepare.make_stage,
    "train": train.make_stage,
    "predict": predict.make_stage,
    "generate": generate.make_stage,
    "transform": transform.make_stage,
    "rollout": rollout.make_stage,
    "trained": trained.make_stage,
    "export": export.make_stage,
}


def build_graph(folder: RunFolder, study: Study) -> dict[str, Stage]:
    """Return name → stage of a study, whose files are in the folder of a run."""
    default = DefaultGraph(folder, study)
    found, inputs = default.stages(), StageInputs(folder, study)
    for name, one in study.stages.items():
        made = repeat.make_stage(inputs, name, KINDS) if one.kind == "repeat" else None
        found[name] = made or KINDS[one.kind](inputs, name)
    found |= {stage.name: stage for stage in evaluate.make_stages(inputs)}
    found |= {
        stage.name: stage for stage in repeat_evaluations.make_evaluations(inputs, KINDS, found)
    }
    return found | {"report": default.report(list(found))}
