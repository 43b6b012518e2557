"""Training in this process, on its accelerator if it has one."""

from __future__ import annotations

from bunchtrain.methods.task import Task
from bunchtrain.training.workers import EpochCallback, WorkerInfo


class Local:
    """Training in this process, on its accelerator if it has one."""

    def run(self, task: Task, *, resume: bool, on_epoch: EpochCallback | None) -> None:
        """Train the task; the results are written into its folder."""
        from bunchtrain.training.fit import fit

        fit(task, WorkerInfo(), resume=resume, on_epoch=on_epoch)
