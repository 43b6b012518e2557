"""Training of a network by gradient descent, with Lightning."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer

from bunchtrain.errors import InterruptedRun
from bunchtrain.methods.build import build_losses
from bunchtrain.methods.supervised import Network
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.checkpoints import BestEpoch, Checkpoint
from bunchtrain.training.data import Batches, Data
from bunchtrain.training.history import History
from bunchtrain.training.module import Module
from bunchtrain.training.pareto_front import ParetoFront
from bunchtrain.training.post_hoc import calibrate_ranges
from bunchtrain.training.progress import Progress
from bunchtrain.training.summary import Rows, Summary, write_summary
from bunchtrain.training.trainer import make_trainer
from bunchtrain.training.workers import EpochCallback, WorkerInfo


class Loaders(LightningDataModule):
    """The batches of one worker for Lightning."""

    def __init__(self, data: Data) -> None:
        super().__init__()
        self.data = data

    def train_dataloader(self) -> Batches:
        """Return the batches of the trainer's next epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return Batches(self.data, "train", epoch)

    def val_dataloader(self) -> Batches:
        """Return the batches of the validation set, in its order."""
        return Batches(self.data, "validation", None)


def fit_by_gradient(
    trained_model: TrainedModel,
    worker: WorkerInfo,
    data: Data,
    on_epoch: EpochCallback | None,
    *,
    frozen: Sequence[str],
    resume: bool,
) -> tuple[Summary, Rows]:
    """Train a network as one of its workers; return summary and learning curves.

    frozen  names of parameters that are not trained, or not before `training.unfreeze_after`.

    Raises InterruptedRun on Ctrl-C, after which `resume` continues the training.
    """
    task, network, sizes = trained_model.task, trained_model.network, data.sizes("train")
    assert isinstance(network, Network)
    folder = Path(task.folder)
    history = History(folder, events=sum(sizes))
    best = BestEpoch(history, task.settings["patience"])
    front = ParetoFront(folder, history, resume)
    checkpoint = Checkpoint(folder, history, best, resume)
    extra: list[Callback] = [CallOnEpoch(on_epoch, trained_model)] if on_epoch else []
    callbacks = [history, best, front, *extra, checkpoint, Progress(history)]
    every = [name for name, one in network.named_parameters() if one.requires_grad]
    if frozen and set(every) == set(frozen) and task.settings.get("unfreeze_after") is None:
        task = replace(task, settings=task.settings | {"epochs": 1})  # nothing is trained
    losses = build_losses(task, network)
    workers = worker.world_size
    module = Module(task, network, losses, len(sizes), sum(sizes), frozen, workers)
    try:
        _run(make_trainer(task, worker, callbacks), module, data)
    except InterruptedRun:
        if worker.rank == 0:
            write_summary(trained_model, "interrupted", _summarise(history, best, worker))
        raise
    network.load_state_dict(best.weights)
    calibrate_ranges(network, data)
    return _summarise(history, best, worker), history.rows


def _run(trainer: Trainer, module: Module, data: Data) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=Loaders(data))
    except (KeyboardInterrupt, SystemExit):  # Lightning turns Ctrl-C into an exit
        raise InterruptedRun(
            "training was interrupted; it can be resumed from its last complete epoch"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)  # Lightning leaves it ignored


def _summarise(history: History, best: BestEpoch, worker: WorkerInfo) -> Summary:
    rates = [row["samples_per_second"] for row in history.rows]
    return {
        "seconds": sum(row["seconds"] for row in history.rows),
        "epochs": len(history.rows),
        "best_epoch": best.epoch,
        "samples_per_second": sum(rates) / max(1, len(rates)),
        "workers": worker.world_size,
        "events": history.events,
    }


class CallOnEpoch(Callback):
    """Call a function after each epoch, which may stop the training."""

    def __init__(self, on_epoch: EpochCallback, trained_model: TrainedModel) -> None:
        self.on_epoch, self.trained_model = on_epoch, trained_model

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Call the function."""
        if self.on_epoch(trainer.current_epoch + 1, self.trained_model):
            trainer.should_stop = True
