"""Training of a task to a trained model, on one of several engines."""

from __future__ import annotations

import time
from pathlib import Path

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.methods.task import Task
from bunchtrain.trained_files import load
from bunchtrain.trained_model import FORMATS, TrainedModel
from bunchtrain.training.data import fit_representation
from bunchtrain.training.workers import EpochCallback, WorkerInfo

#: Names of the checkpoint, and in release 0.1.
CHECKPOINTS = ("checkpoint.safetensors", "checkpoint.pt")
#: Files of an earlier training in the same folder.
_RESULTS = ("history.csv", "network.json", "training.json", *FORMATS.values(), *CHECKPOINTS)


def train(
    task: Task,
    *,
    resume: bool = False,
    on_epoch: EpochCallback | None = None,
) -> TrainedModel:
    """Train a task on its engine and return the trained model, saved in the folder of the task.

    With `resume`, an interrupted training continues after its last complete epoch, with the same
    result as without the interruption; a finished one is loaded. `on_epoch`, with the engine
    `local`, is called after each epoch with its number and the network, and stops the training by
    returning True. Raises RunError if `resume` finds another task, StudyError if it is to
    start from a trained model and none is given, InterruptedRun on Ctrl-C,
    MachineError if a worker is lost, UserError if the loss is not finite.
    """
    if task.settings.get("from") is not None and task.start is None:
        raise StudyError("training.from: this training cannot start from a trained model")
    task = fit_representation(task)
    folder, rank = Path(task.folder), WorkerInfo.from_environment().rank
    if resume and (folder / "task.json").is_file():
        task.check_resume()
        if (folder / "network.json").is_file():
            return load(folder, is_own=True)
    elif rank == 0:
        for name in _RESULTS:
            (folder / name).unlink(missing_ok=True)
    if rank == 0:
        task.save()
    name, options = task.engine
    parts.build("engine", name, options, where="training.engine").run(
        task, resume=resume, on_epoch=on_epoch
    )
    while rank > 0 and not (folder / "network.json").is_file():
        time.sleep(0.1)  # a worker of torchrun or Slurm waits for the results of worker 0
    return load(folder, is_own=True)
