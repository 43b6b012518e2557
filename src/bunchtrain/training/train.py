"""Training: one task in, one trained_model out, on one of several engines."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bunchtrain import parts
from bunchtrain.methods.task import Task
from bunchtrain.trained_model import TrainedModel, load
from bunchtrain.training.place import find_place

#: What an earlier training in the same folder has left.
_OUTCOME = ("checkpoint.pt", "history.csv", "network.json", "training.json", "weights.pt")


def train(
    task: Task,
    *,
    resume: bool = False,
    progress: bool = True,
    watch: Callable[[int, TrainedModel], bool] | None = None,
) -> TrainedModel:
    """Train a task on its engine and return the trained_model, which is saved in the task's folder.

    With `resume`, a training that was interrupted goes on after its last whole epoch, to the same
    weights as without the interruption; one that is finished is loaded. `watch`, with the engine
    `local`, is called after each epoch with its number and the network so far, and stops the
    training by returning True. Raises RunError if `resume` meets another task, InterruptedRun on
    Ctrl-C, MachineError if a worker is lost, UserError if the loss is not finite.
    """
    folder = Path(task.folder)
    if resume and (folder / "task.json").is_file():
        task.check_resume()
        if (folder / "network.json").is_file():
            return load(folder)
    elif find_place().rank == 0:
        for name in _OUTCOME:
            (folder / name).unlink(missing_ok=True)
    if find_place().rank == 0:
        task.save()
    name, options = task.engine
    parts.build("engine", name, options, where="training.engine").run(
        task, resume=resume, progress=progress, watch=watch
    )
    _await(folder / "network.json")
    return load(folder)


def _await(path: Path) -> None:
    """Wait, as a worker that torchrun or Slurm started, for worker 0 to write its outcome."""
    while find_place().rank > 0 and not path.is_file():
        time.sleep(0.1)
