"""Stages of kind `repeat`: other stages over toys, folds, seeds or values of options, as a table.

Repetitions are made in pieces of `together`, in this process or by the jobs of an executor. The
rows of a piece are kept, so that a killed stage makes the others. In a piece a stage is run for all
repetitions before the next one; trainings are made in one batch where the network allows.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.errors import DataError, StudyError
from bunchtrain.files import read_json, write_json
from bunchtrain.progress_events import report, report_nothing
from bunchtrain.study import Study, stage_evaluations
from bunchtrain.study.repeats import RepeatStage, Repetition, repetitions
from bunchtrain.study.stage_checks import sort_names
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.prediction_contents import METADATA
from bunchtrain.tables.predictions import Predictions, concatenate
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.evaluate import make_evaluation
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.kinds.evaluate import StageRun
from bunchtrain.workflow.graph.repeated_study import (
    check_repeat,
    fold_count,
    repeated_study,
    with_default_stages,
)
from bunchtrain.workflow.graph.replicas import RepeatedInputs, train_together
from bunchtrain.workflow.graph.stage import Stage, StageContext, canonical
from bunchtrain.workflow.graph.stage_inputs import TABLE, StageInputs
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.wide.spread import spread

#: Rows of the metrics of folds, whose table has the predictions.
ROWS = "repetitions.json"


def make_stage(inputs: StageInputs, name: str, make: Mapping[str, Any]) -> Stage:
    """Return the stage that writes a table with a row for each repetition, or of out-of-fold rows.

    inputs  of the stages of the study.
    name    of the stage.
    make    kind → what makes a stage of it.

    Raises StudyError if it repeats stages or varies keys that there are not.
    """
    repeat = Repeat.of(inputs, name, make)
    check_repeat(repeat.study, name)
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
class Pieces:
    """The pieces of a stage `repeat`, fixed by the number of repetitions.

    repeat  the stage.
    key     what decides its table; rows of another one are made again.
    """

    repeat: Repeat
    key: str

    @property
    def folder(self) -> Path:
        """Folder of the rows of each piece."""
        return self.repeat.inputs.place(self.repeat.name) / ".pieces"

    @property
    def size(self) -> int:
        """Repetitions in a piece."""
        return 1 if self.repeat.given.over == "folds" else self.repeat.given.together

    @property
    def count(self) -> int:
        """Number of pieces."""
        return -(-len(self.repeat.repetitions) // self.size)

    def make(self, executor: Executor | None, place: Path) -> None:
        """Make the pieces that are missing, here or by the jobs of an executor."""
        total, count = len(self.repeat.repetitions), self.count

        def show() -> None:
            done = self.size * len(list(self.folder.glob("*.json")))
            report(min(done, total), total, milestone=True)

        if executor is None or count == 1:
            for index in range(count):
                if not self.is_done(index):
                    self.do(index)
                show()
            return
        run = self.repeat.inputs.folder.path.absolute()
        given = {"run": str(run), "name": self.repeat.name, "key": self.key}
        spread(executor, place / ".jobs", "repeat", given, count, show)

    def is_done(self, index: int) -> bool:
        """Return whether the rows of a piece are there."""
        path = self._file(index)
        return path.is_file() and read_json(path, dict[str, Any]).get("key") == self.key

    def do(self, index: int) -> None:
        """Make a piece and keep its rows."""
        start = index * self.size
        rows = self.repeat.make_rows(self.repeat.repetitions[start : start + self.size])
        write_json(self._file(index), {"key": self.key, "rows": rows})

    def rows(self) -> list[dict[str, float]]:
        """Return the rows of all pieces."""
        files = map(self._file, range(self.count))
        return [row for file in files for row in read_json(file, dict[str, Any])["rows"]]

    def _file(self, index: int) -> Path:
        return self.folder / f"{index}.json"


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

    @classmethod
    def of(cls, inputs: StageInputs, name: str, make: Mapping[str, Any]) -> Repeat:
        """Return the repetitions of a stage, which may be of stages of the default graph."""
        study = with_default_stages(inputs.study, name)
        return cls(StageInputs(inputs.folder, study), name, make)

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
        return sort_names({one: [n for n in self.inputs.names(one) if n in run] for one in run})

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
        total, key = len(self.repetitions), canonical(self.options())
        say(f"repeating {', '.join(self.order)} over {self.given.over}: {total:,} times")
        pieces = Pieces(self, key)
        pieces.make(context.executor, context.place)
        rows = pieces.rows()
        if self.given.over == "folds":
            self._write_folds(context.place)
            context.folder.manifest.write_json(context.place / ROWS, rows)
        else:
            names = list(dict.fromkeys(name for row in rows for name in row))
            columns = {n: np.array([row.get(n) for row in rows], np.float64) for n in names}
            write_parquet(context.place / TABLE, [columns])
        for made in (pieces.folder, context.place / ".repetitions"):
            shutil.rmtree(made, ignore_errors=True)

    def make_rows(self, piece: Sequence[Repetition]) -> list[dict[str, float]]:
        """Return the rows of some repetitions."""
        for one in piece:
            shutil.rmtree(self.folder(one), ignore_errors=True)
            self.folder(one).mkdir(parents=True)
        prepared = [self.prepared(one) for one in piece]
        with report_nothing():
            for name in self.order:
                if not train_together([(one.inputs, name) for one in prepared]):
                    for made in prepared:
                        self._run_stage(made, name)
            rows = [self._row(one) for one in prepared]
        for one in piece:
            is_kept = self.given.over == "folds"
            place = self.folder(one)
            shutil.rmtree(place / ".events" if is_kept else place, ignore_errors=True)
        return rows

    def _run_stage(self, prepared: Prepared, name: str) -> None:
        """Run a stage of a repetition; raises DataError with its values, e.g. without events."""
        one, own, stage = prepared.one, prepared.inputs, prepared.stages[name]
        try:
            stage.run(StageContext(own.folder, own.study, stage))
        except DataError as problem:
            which = ", ".join(f"{key} = {value:g}" for key, value in one.values.items())
            which = which or f"{self.given.over} {one.toy}"
            raise DataError(f"stages.{self.name}, {which}: stage '{name}': {problem}") from None

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
