"""Lightning's trainer, set up for one worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning import Callback, Trainer

from bunchtrain.errors import StudyError
from bunchtrain.methods.task import Task
from bunchtrain.training.loggers import make_loggers
from bunchtrain.training.place import Place

_ENVIRONMENTS: dict[str, type[ClusterEnvironment]] = {
    "none": LightningEnvironment,
    "torchrun": TorchElasticEnvironment,
    "slurm": SLURMEnvironment,
}


def make_trainer(task: Task, place: Place, callbacks: Sequence[Callback]) -> Trainer:
    """Return the trainer of one worker.

    Raises StudyError for a precision that the machine lacks.
    """
    settings, several = task.settings, place.workers > 1
    return Trainer(
        accelerator="auto",
        devices=place.local_workers,
        num_nodes=place.nodes,
        strategy="ddp" if several else "auto",
        plugins=[_ENVIRONMENTS[place.launcher]()],
        precision=precision(settings["precision"]),
        max_epochs=settings["epochs"],
        gradient_clip_val=settings["gradient_clip"],
        logger=make_loggers(task) if place.rank == 0 else False,
        callbacks=list(callbacks),
        default_root_dir=task.folder,
        sync_batchnorm=several and torch.cuda.is_available(),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        reload_dataloaders_every_n_epochs=1,
    )


def precision(wanted: str) -> Any:
    """Return Lightning's name for a precision of the study.

    Raises StudyError for 16 bits without an accelerator.
    """
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    if wanted == "16" and not accelerated:
        raise StudyError("training.precision '16' needs an accelerator; use 'auto' or '32'")
    if wanted == "auto":
        wanted = "bf16" if accelerated else "32"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[wanted]
