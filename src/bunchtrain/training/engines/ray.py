"""Data-parallel training by Ray Train, on a running cluster or on one started here.

Cache and run folder must be on a file system that all nodes share (arXiv:1712.05889).
"""

from __future__ import annotations

import os
from typing import Any

import torch

from bunchtrain.errors import BunchtrainError, MachineError, StudyError
from bunchtrain.methods.task import Task
from bunchtrain.parts.ranges import WorkerCount
from bunchtrain.progress_events import stage_environment
from bunchtrain.training.cluster import connect_to_ray
from bunchtrain.training.workers import EpochCallback, clear_failure, raise_failure


class Ray:
    """Data-parallel training on a Ray cluster (arXiv:1712.05889).

    address  of a running cluster, e.g. `ray://host:10001` or `auto`; one is started here if unset.
    workers  count of workers.
    """

    def __init__(self, *, address: str | None = None, workers: WorkerCount = 2) -> None:
        if workers < 1:
            raise StudyError(f"training.engine.workers must be at least 1, got {workers}")
        self.address, self.workers = address, workers

    def run(self, task: Task, *, resume: bool, on_epoch: EpochCallback | None) -> None:
        """Train the task; the results are written into its folder.

        Raises what a worker raised, and MachineError if one was lost.
        """
        if on_epoch is not None:
            raise StudyError("a search trains each of its trials on the engine 'local'")
        clear_failure(task.folder)
        with connect_to_ray(self.address, self.workers):
            self._train(task, resume)

    def _train(self, task: Task, resume: bool) -> None:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        accelerated = torch.cuda.is_available() and task.settings.get("device") != "cpu"
        trainer = TorchTrainer(
            _work,
            train_loop_config={
                "folder": task.folder,
                "resume": resume,
                "environment": stage_environment(),
            },
            scaling_config=ScalingConfig(num_workers=self.workers, use_gpu=accelerated),
            run_config=RunConfig(storage_path=os.path.abspath(task.folder), name="ray"),
        )
        try:
            trainer.fit()
        except Exception as problem:  # Ray wraps whatever a worker raised
            raise_failure(task.folder)
            first = str(problem).strip().splitlines()[0]
            raise MachineError(f"training on the Ray cluster failed: {first}") from problem


def _work(config: dict[str, Any]) -> None:
    from bunchtrain.training.fit import run_worker

    # Ray has set rank and size; with this variable they are read as torchrun's.
    os.environ |= {"TORCHELASTIC_RUN_ID": "ray", **config["environment"]}
    if run_worker(config["folder"], *(["--resume"] if config["resume"] else [])):
        raise BunchtrainError("a worker failed; the error is in its folder")
