"""Evaluations of stages of kind `repeat`: of their tables, or of the predictions of all folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from bunchtrain.study import Study, stage_evaluations
from bunchtrain.study.base import EvaluationPart
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.evaluate import evaluate_or_leave_out, make_evaluation, merge_metrics
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.kinds.evaluate import StageRun, TableRun
from bunchtrain.workflow.graph.kinds.repeat import Repeat
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import StageInputs
from bunchtrain.workflow.run import FoldedRun, Run


class OutOfFold(FoldedRun):
    """The test sets of all folds of a stage, evaluated as one, with results in the run itself."""

    def __init__(self, files: RunFolder, runs: Sequence[StageRun]) -> None:
        super().__init__(runs)
        self.files = files

    @cached_property
    def study(self) -> Study:
        """The study of the models of the first fold."""
        return self.runs[0].study

    @cached_property
    def models(self) -> dict[str, TrainedModel]:
        """The models of the first fold."""
        return self.runs[0].models


def make_evaluations(
    inputs: StageInputs, make: Mapping[str, Any], graph: Mapping[str, Stage]
) -> Iterator[Stage]:
    """Yield the stages of the evaluations of stages `repeat`.

    graph  the other stages, of which those of the evaluations of `observed` are read.
    """
    for key, part in stage_evaluations(inputs.study).items():
        stage = inputs.study.stages.get(str(part.of))
        if stage is not None and stage.kind == "repeat":
            yield _evaluation(Repeat.of(inputs, str(part.of), make), key, part, graph)


def _evaluation(
    repeat: Repeat, key: str, part: EvaluationPart, graph: Mapping[str, Stage]
) -> Stage:
    over_folds = repeat.given.over == "folds"
    study = repeat.study
    if not over_folds:
        make_evaluation(study, part.name, part.options)
    read = [str(part.of)]
    read += [str(part.options[name]) for name in ("alternative",) if part.options.get(name)]
    observed = part.options.get("observed")
    others = stage_evaluations(study).items()
    read += [f"evaluate.{other}" for other, one in others if observed in (None, one.of)]
    read = [name for name in dict.fromkeys(read) if name != f"evaluate.{key}" and name in graph]

    def view() -> Run:
        files = repeat.inputs.folder
        return OutOfFold(files, repeat.fold_runs()) if over_folds else TableRun(files)

    def run(context: StageContext) -> None:
        one = view()
        evaluate_or_leave_out(one, key, make_evaluation(one.study, part.name, part.options))
        if over_folds:
            merge_metrics(one, key)

    return Stage(
        f"evaluate.{key}",
        "evaluate",
        run,
        tuple(read),
        {"name": part.name, "options": part.options},
        (f"evaluations/{key}/**/*",),
        (".*",),
        reused=lambda: merge_metrics(view(), key),
    )
