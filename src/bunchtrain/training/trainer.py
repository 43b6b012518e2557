"""Lightning's trainer and its loggers, configured for one worker."""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger

from bunchtrain.errors import StudyError, missing
from bunchtrain.methods.task import Task
from bunchtrain.training.devices import (
    accelerator,
    check_device,
    is_accelerated,
    multiplies_bfloat16,
)
from bunchtrain.training.workers import WorkerInfo

_ENVIRONMENTS: dict[str, type[ClusterEnvironment]] = {
    "none": LightningEnvironment,
    "torchrun": TorchElasticEnvironment,
    "slurm": SLURMEnvironment,
}


def make_trainer(task: Task, worker: WorkerInfo, callbacks: Sequence[Callback]) -> Trainer:
    """Return the trainer of one worker.

    Raises StudyError for a device or a precision that the machine does not support.
    """
    settings, distributed = task.settings, worker.world_size > 1
    device = settings.get("device", "auto")
    check_device(device, worker.local_world_size)
    kind, devices = accelerator(device, worker.local_world_size)
    return Trainer(
        accelerator=kind,
        devices=devices,
        num_nodes=worker.nodes,
        strategy="ddp" if distributed else "auto",
        plugins=[_ENVIRONMENTS[worker.launcher]()],
        precision=precision(settings["precision"], device),
        max_epochs=settings["epochs"],
        gradient_clip_val=settings["gradient_clip"],
        logger=make_loggers(task) if worker.rank == 0 else False,
        callbacks=list(callbacks),
        default_root_dir=task.folder,
        sync_batchnorm=distributed and torch.cuda.is_available() and device != "cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        reload_dataloaders_every_n_epochs=1,
    )


def precision(setting: str, device: str = "auto") -> Any:
    """Return Lightning's name for a precision of the study.

    Warns once that 32 bits are used for bf16 on a processor that has no instructions for it.

    Raises StudyError for 16 bits without an accelerator.
    """
    accelerated = is_accelerated(device)
    if setting == "16" and not accelerated:
        raise StudyError("training.precision '16' needs an accelerator; use 'auto' or '32'")
    if setting == "auto":
        setting = "bf16" if accelerated else "32"
    if setting == "bf16" and not accelerated and not multiplies_bfloat16():
        _warn_of_32_bits()
        setting = "32"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[setting]


@functools.cache
def _warn_of_32_bits() -> None:
    warnings.warn(
        "training.precision: this processor has no instructions for 'bf16'; '32' is used",
        stacklevel=4,
    )


def make_loggers(task: Task) -> list[Logger]:
    """Return the loggers of a task, in addition to `history.csv`.

    Raises MissingDependency if one is not installed.
    """
    folder, loggers = Path(task.folder), list[Logger]()
    if "tensorboard" in task.settings["logs"]:
        _require_package("tensorboard", "TensorBoard logs")
        loggers.append(TensorBoardLogger(str(folder), name="tensorboard", version=""))
    if "mlflow" in task.settings["logs"]:
        _require_package("mlflow", "MLflow logs")
        uri = None if "MLFLOW_TRACKING_URI" in os.environ else f"file:{folder}/mlflow"
        loggers.append(MLFlowLogger("bunchtrain", run_name=folder.name, tracking_uri=uri))
    return loggers


def _require_package(package: str, purpose: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise missing(package, package, purpose)
