"""Predictions of a set of the event cache, block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bunchtrain.files import read_json, write_json
from bunchtrain.tables.predictions import ROWS
from bunchtrain.trained_files import load
from bunchtrain.training.process import set_threads
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.predict import Columns, event_columns, timed_columns
from bunchtrain.workflow.run_events import run_events
from bunchtrain.workflow.wide.blocks import counts_file, read_block, write_block
from bunchtrain.workflow.wide.spread import spread

#: Blocks from which on a set is predicted by several processes, which take seconds to start.
LEAST = 8


class PredictedSet:
    """Predictions of a training for the blocks of a set of the event cache.

    run     folder of the run.
    folder  of the blocks.
    model   folder of the trained model.
    name    of the training.
    split   `train`, `validation` or `test`.
    """

    def __init__(self, run: str, folder: str, model: str, name: str, split: str) -> None:
        opened = RunFolder.open(run)
        self.study, self.name, self.folder = opened.study(), name, Path(folder)
        self.model = load(Path(model))
        set_threads(self.model.task)
        self.events = run_events(opened, self.study).of(split)
        self.pieces = self.events.pieces(ROWS)

    def is_done(self, index: int) -> bool:
        """Return whether a block is there."""
        return counts_file(self.folder, index).is_file()

    def do(self, index: int) -> None:
        """Predict a block."""
        names = list(self.events.fields())
        for events in self.events.blocks_of(self.pieces[index], names, ROWS):
            found, seconds = timed_columns(self.study, self.name, self.model, events)
            write_block(event_columns(self.study, events) | found, self.folder, index)
            write_json(counts_file(self.folder, index), {"blocks": 1, "seconds": seconds})


def predict_set(
    executor: Executor, run: Path, model: Path, name: str, split: str, count: int
) -> Iterator[tuple[Columns, float]]:
    """Yield the blocks of a set and the seconds of their prediction, by the jobs of an executor.

    run    folder of the run.
    model  folder of the trained model, in which the jobs write.
    name   of the training.
    split  `train`, `validation` or `test`.
    count  number of blocks.
    """
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=model) as made:
        folder = Path(made).absolute()
        arguments = {"run": str(run.absolute()), "folder": str(folder)}
        arguments |= {"model": str(model.absolute()), "name": name, "split": split}
        spread(executor, folder / "jobs", "predict_set", arguments, count)
        for index in range(count):
            yield read_block(folder, index), read_json(counts_file(folder, index))["seconds"]
