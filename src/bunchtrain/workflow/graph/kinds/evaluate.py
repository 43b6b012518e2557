"""Evaluations of the predictions or the table of a stage, `evaluation: [{name: …, of: STAGE}]`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak

from bunchtrain.study import Study, stage_evaluations
from bunchtrain.study.base import EvaluationPart
from bunchtrain.tables.predictions import Predictions, no_predictions
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.evaluate import evaluate_or_leave_out, make_evaluation, merge_metrics
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.kinds.predict import events_of
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.graph.stage_inputs import TABLE, StageInputs, StageModel
from bunchtrain.workflow.prediction_schema import read_predictions
from bunchtrain.workflow.run import Run


@dataclass
class StageRun(Run):
    """The predictions of a stage as a run, whose results are saved in the run itself.

    inputs  of the stages.
    name    of the stage with the predictions.
    """

    inputs: StageInputs
    name: str

    @property
    def _given(self) -> list[StageModel]:
        return [self.inputs.model(one) for one in self.inputs.study.stages[self.name].options.of]

    @cached_property
    def study(self) -> Study:
        """The study of the models on the events that are predicted."""
        events = events_of(self.inputs, self.name)
        assert events is not None  # as it is checked before
        return self.inputs.predicted_study(events, self._given)

    @cached_property
    def predictions(self) -> Predictions:
        """Truth and predictions of the test set of the events."""
        return read_predictions(self.inputs.place(self.name) / TABLE, self.study)

    @cached_property
    def models(self) -> dict[str, TrainedModel]:
        """The first training of each model."""
        return {one.label: self.inputs.load(one, self.study)[one.label] for one in self._given}

    def events(
        self, rows: int, columns: Collection[str] | None = None, split: str = "test"
    ) -> Iterator[ak.Array]:
        """Yield the test set, or another one, in blocks of at most `rows` events."""
        yield from self.inputs.cache(self.study).of(split).blocks(columns, rows)

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the run or of one of the models."""
        kind, _, file = name.partition("/")
        label, _, file = file.partition("/")
        given = {one.label: one for one in self._given} if kind == "models" else {}
        if label not in given:
            return super().json(name)
        folder = given[label].folder
        path = folder.model(label).relative_to(folder.path) / file
        return folder.json(path.as_posix())


class TableRun(Run):
    """The run of a stage whose table has other rows than predictions: steps, repetitions."""

    @cached_property
    def predictions(self) -> Predictions:
        """None: evaluations of such a stage read its table."""
        return no_predictions()


def make_stages(inputs: StageInputs) -> Iterator[Stage]:
    """Yield the stages of the evaluations with `of`.

    Raises StudyError if a stage has no predictions of prepared events.
    """
    for key, part in stage_evaluations(inputs.study).items():
        stage = inputs.study.stages.get(str(part.of))
        if stage is None or stage.kind != "repeat":
            yield _make_stage(inputs, key, part)


def _make_stage(inputs: StageInputs, key: str, part: EvaluationPart) -> Stage:
    name = str(part.of)

    def view_in(folder: RunFolder) -> Run:
        is_rollout = name in inputs.study.stages and inputs.study.stages[name].kind == "rollout"
        return TableRun(folder) if is_rollout else StageRun(folder, inputs, name)

    def run(context: StageContext) -> None:
        view = view_in(context.folder)
        evaluate_or_leave_out(view, key, make_evaluation(view.study, part.name, part.options))

    def reused() -> None:
        merge_metrics(view_in(inputs.folder), key)

    return Stage(
        f"evaluate.{key}",
        "evaluate",
        run,
        (name, *inputs.names(name)),
        {"name": part.name, "options": part.options},
        (f"evaluations/{key}/**/*",),
        (".*",),
        reused=reused,
    )
