"""Stages of kind `repeat`: other stages over toys, folds, seeds or values of options, as a table.

Repetitions are made in pieces of `PIECE`, whose rows are kept, so that a killed stage continues
after the last one. In a piece a stage is run for all repetitions before the next one; trainings are
made in one batch where the network allows.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.errors import DataError, StudyError
from bunchtrain.files import read_json, write_json
from bunchtrain.progress_events import report, report_nothing
from bunchtrain.study import Study, stage_evaluations
from bunchtrain.study.base import EvaluationPart
from bunchtrain.study.repeats import RepeatStage, Repetition, repetitions
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.predictions import METADATA, Predictions, concatenate
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.evaluate import evaluate_or_leave_out, make_evaluation, merge_metrics
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.kinds.evaluate import StageRun, TableRun
from bunchtrain.workflow.graph.repeated_study import check_repeat, fold_count, repeated_study
from bunchtrain.workflow.graph.replicas import RepeatedInputs, train_together
from bunchtrain.workflow.graph.stage import Stage, StageContext, canonical
from bunchtrain.workflow.graph.stage_inputs import TABLE, StageInputs
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.run import FoldedRun, Run

#: Repetitions that are made together and kept; a change of it changes results by rounding.
PIECE = 25
#: Rows of the metrics of folds, whose table has the predictions.
ROWS = "repetitions.json"


def make_stage(inputs: StageInputs, name: str, make: Mapping[str, Any]) -> Stage:
    """Return the stage that writes a table with a row for each repetition, or of out-of-fold rows.

    inputs  of the stages of the study.
    name    of the stage.
    make    kind → what makes a stage of it.

    Raises StudyError if it repeats stages or varies keys that there are not.
    """
    check_repeat(inputs.study, name)
    repeat = Repeat(inputs, name, make)
    for one in {tuple(one.values.items()): one for one in repeat.repetitions}.values():
        repeat.prepared(one)

    def run(context: StageContext) -> None:
        repeat.run(context)

    return Stage(
        name,
        "repeat",
        run,
        repeat.outside,
        repeat.options,
        (f"stages/{name}/{TABLE}", f"stages/{name}/{ROWS}", f"stages/{name}/fold_*/stages/**/*"),
        (".*",),
        in_process=True,
    )


@dataclass(frozen=True)
class Prepared:
    """A repetition with its study and its stages, in a folder of its own."""

    one: Repetition
    inputs: RepeatedInputs
    stages: Mapping[str, Stage]


@dataclass(frozen=True)
class Repeat:
    """The repetitions of a stage `repeat`."""

    inputs: StageInputs
    name: str
    make: Mapping[str, Any]

    @property
    def study(self) -> Study:
        """The study of the run."""
        return self.inputs.study

    @property
    def given(self) -> RepeatStage:
        """The keys of the stage."""
        found: RepeatStage = self.study.stages[self.name].options
        return found

    @cached_property
    def repetitions(self) -> list[Repetition]:
        """All repetitions."""
        folds = fold_count(self.study, self.name) if self.given.over == "folds" else 0
        return repetitions(self.given, folds)

    @property
    def outside(self) -> tuple[str, ...]:
        """The stages that are read and not repeated."""
        names = [other for one in self.given.run for other in self.inputs.names(one)]
        return tuple(dict.fromkeys(one for one in names if one not in self.given.run))

    @cached_property
    def order(self) -> list[str]:
        """The repeated stages, each after those that it reads."""
        run = self.given.run
        graph = {one: [n for n in self.inputs.names(one) if n in run] for one in run}
        return [*TopologicalSorter(graph).static_order()]

    def folder(self, one: Repetition) -> Path:
        """Return the folder of a repetition; that of a fold is kept."""
        place = self.inputs.place(self.name)
        is_kept = self.given.over == "folds"
        return place / f"fold_{one.toy}" if is_kept else place / ".repetitions" / str(one.index)

    def prepared(self, one: Repetition) -> Prepared:
        """Return a repetition with its stages; raises StudyError if they do not fit together."""
        place = self.folder(one)
        study = repeated_study(
            self.study, self.name, one, self.inputs.folder.path, place / ".events"
        )
        is_prepared = any(self.study.stages[n].kind == "prepare" for n in self.given.run)
        is_toy = is_prepared and self.given.over in ("toys", "signals")
        seed = study.seed if is_toy else self.study.seed
        inputs = RepeatedInputs(RunFolder(place), study, self.inputs, tuple(self.given.run), seed)
        made = {name: self.make[study.stages[name].kind](inputs, name) for name in self.order}
        return Prepared(one, inputs, made)

    def options(self) -> dict[str, Any]:
        """Return what decides the table: the keys of the first repetition's stages, and these."""
        first = self.prepared(self.repetitions[0])
        stages = {
            n: s.options() if callable(s.options) else s.options for n, s in first.stages.items()
        }
        evaluations = [
            part.model_dump(mode="json") for part in stage_evaluations(first.inputs.study).values()
        ]
        own = self.given.model_dump(mode="json")
        return {**own, "stages": stages, "evaluations": evaluations, "seed": self.study.seed}

    def run(self, context: StageContext) -> None:
        """Make the repetitions that are missing, and write the table."""
        total, rows, key = (
            len(self.repetitions),
            list[dict[str, float]](),
            canonical(self.options()),
        )
        say(f"repeating {', '.join(self.order)} over {self.given.over}: {total:,} times")
        size = 1 if self.given.over == "folds" else PIECE
        for start in range(0, total, size):
            path = context.place / ".pieces" / f"{start}.json"
            piece = read_json(path, dict[str, Any]) if path.is_file() else {}
            if piece.get("key") != key:
                piece = {"key": key, "rows": self._make(self.repetitions[start : start + size])}
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, piece)
            rows += piece["rows"]
            report(len(rows), total, milestone=True)
        if self.given.over == "folds":
            self._write_folds(context.place)
            context.folder.manifest.write_json(context.place / ROWS, rows)
        else:
            names = list(dict.fromkeys(name for row in rows for name in row))
            columns = {n: np.array([row.get(n) for row in rows], np.float64) for n in names}
            write_parquet(context.place / TABLE, [columns])
        shutil.rmtree(context.place / ".pieces")

    def _make(self, piece: Sequence[Repetition]) -> list[dict[str, float]]:
        """Return the rows of some repetitions."""
        for one in piece:
            shutil.rmtree(self.folder(one), ignore_errors=True)
            self.folder(one).mkdir(parents=True)
        prepared = [self.prepared(one) for one in piece]
        with report_nothing():
            for name in self.order:
                if not train_together([(one.inputs, name) for one in prepared]):
                    for made in prepared:
                        stage, own = made.stages[name], made.inputs
                        stage.run(StageContext(own.folder, own.study, stage))
            rows = [self._row(one) for one in prepared]
        for one in piece:
            is_kept = self.given.over == "folds"
            place = self.folder(one)
            shutil.rmtree(place / ".events" if is_kept else place, ignore_errors=True)
        return rows

    def _row(self, prepared: Prepared) -> dict[str, float]:
        """Return index, seed, varied values and metrics of a repetition."""
        one, own = prepared.one, prepared.inputs
        row: dict[str, float] = {"repetition": one.index, "toy": one.toy, "seed": own.study.seed}
        row |= one.values
        for part in stage_evaluations(own.study).values():
            view = StageRun(own.folder, own, str(part.of))
            made = make_evaluation(view.study, part.name, part.options)
            try:
                metrics = made.metrics(view)
            except DataError:  # e.g. a toy without a class: its metrics are missing
                continue
            for model, found in metrics.items():
                for metric, value in found.items():
                    row[f"{model}.{metric}"] = value["value"]
                    row[f"{model}.{metric}.error"] = value.get("error", np.nan)
        return row

    def _write_folds(self, place: Path) -> None:
        """Write the predictions of all folds as one table; every event is in it once."""
        every = self.fold_predictions()
        entries = np.concatenate([one.columns["entry"] for one in every])
        if len(np.unique(entries)) != len(entries):
            raise StudyError(
                f"stages.{self.name}: an event is in the test sets of two folds; all need the "
                "same seed and key of the split"
            )
        about = TableMetadata(units=every[0].known_units).as_mapping()
        blocks: Iterator[Mapping[str, Any]] = (one.columns for one in every)
        write_parquet(place / TABLE, blocks, {METADATA: every[0].contents.as_json()} | about)

    def fold_runs(self) -> list[StageRun]:
        """Return the test set of each fold with its predictions, as runs.

        Raises StudyError if no repeated stage predicts.
        """
        predicts = [n for n in self.order if self.study.stages[n].kind == "predict"]
        if not predicts:
            raise StudyError(f"stages.{self.name}.repeat: add a stage of kind 'predict' to 'run'")
        made = [self.prepared(one) for one in self.repetitions]
        return [StageRun(one.inputs.folder, one.inputs, predicts[-1]) for one in made]

    def fold_predictions(self) -> list[Predictions]:
        """Return the predictions of the test set of each fold."""
        found = [run.predictions for run in self.fold_runs()]
        concatenate(found)  # which compares their columns
        return found


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
            yield _evaluation(Repeat(inputs, str(part.of), make), key, part, graph)


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
