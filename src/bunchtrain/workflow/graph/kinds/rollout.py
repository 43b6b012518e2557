"""Stages of kind `rollout`: episodes of policies in an environment, as a table."""

from __future__ import annotations

from typing import Any

from bunchtrain.study.base import Part
from bunchtrain.study.stages import RolloutStage
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import TABLE, StageInputs
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.rollout import write_rollouts


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that plays the same episodes with each policy and writes their steps."""
    given: RolloutStage = inputs.study.stages[name].options

    def run(context: StageContext) -> None:
        policies = {key: _named(part) for key, part in given.named_policies().items()}
        say(f"playing {given.episodes:,} episodes with {', '.join(policies)}: {name}")
        table = None if given.table is None else inputs.table(given.table)
        environment = {key: v for key, v in _named(given.environment).items() if key != "table"}
        write_rollouts(
            context.place / TABLE,
            environment,
            policies,
            table=table,
            workers=context.jobs,
            episodes=given.episodes,
            steps=given.steps,
            seed=given.seed,
        )

    options = given.model_dump(mode="json")
    return Stage(name, "rollout", run, inputs.names(name), options, (f"stages/{name}/{TABLE}",))


def _named(part: Part) -> dict[str, Any]:
    return {"name": part.name, **part.options}
