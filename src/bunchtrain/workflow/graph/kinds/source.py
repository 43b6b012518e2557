"""Stages of kind `source`: a table from files or a simulation."""

from __future__ import annotations

from typing import Any

from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import StageInputs


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that checks the table, or simulates it; others read it in place."""

    def options() -> dict[str, Any]:
        table = inputs.table(name)
        table.prepare()
        part = inputs.study.stages[name].options
        return {"source": part.model_dump(mode="json"), "content": table.fingerprint()}

    def run(context: StageContext) -> None:
        inputs.table(name).prepare()

    return Stage(name, "source", run, options=options, is_cached=False)
