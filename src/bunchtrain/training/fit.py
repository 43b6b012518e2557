"""What every worker does: rebuild all from the task, train, leave the outcome in the folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything

from bunchtrain.errors import InterruptedRun
from bunchtrain.files import write_json
from bunchtrain.methods.build import fitted_network
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.afterwards import fit_afterwards
from bunchtrain.training.best import Best
from bunchtrain.training.checkpoint import Checkpoint
from bunchtrain.training.data import Data
from bunchtrain.training.front import Front, calibrate_ranges
from bunchtrain.training.history import History
from bunchtrain.training.kept_memory import kept_memory
from bunchtrain.training.module import Module, parameters
from bunchtrain.training.peak import peak_mb, reset_peak
from bunchtrain.training.place import Place
from bunchtrain.training.progress import Progress
from bunchtrain.training.quiet import quiet
from bunchtrain.training.trainer import make_trainer
from bunchtrain.training.trees import fit_trees

#: Called after each epoch with its number and the network so far; True stops the training.
Watcher = Callable[[int, TrainedModel], bool]
#: Figures of a training, for `training.json`.
Figures = dict[str, float]


def fit(
    task: Task,
    place: Place,
    *,
    resume: bool = False,
    progress: bool = True,
    watch: Watcher | None = None,
) -> None:
    """Train one task as one of its workers; worker 0 writes the trained_model and `training.json`.

    Raises InterruptedRun on Ctrl-C; a call with `resume` then goes on.
    """
    if task.settings["threads"]:
        torch.set_num_threads(task.settings["threads"])
    reset_peak()
    with quiet(), kept_memory():
        data = Data(task, place.rank, place.workers)
        network = _fresh_network(data)
        trained_model = TrainedModel(data.task, data.representation, network)
        if not network.is_fitted:
            extra: list[Callback] = [Watch(watch, trained_model)] if watch else []
            figures = _fit_network(trained_model, place, data, extra, resume, progress)
        elif place.rank == 0:
            figures = fit_trees(trained_model, data)
        if place.rank == 0:
            network.cpu().eval()
            fit_afterwards(trained_model, data)
            trained_model.save(task.folder)
            summarise(trained_model, "finished", figures)


def _fresh_network(data: Data) -> Network:
    blocks = data.load()
    seed_everything(data.task.seed, verbose=False)
    return fitted_network(data.task, data.representation, blocks)


def _fit_network(
    trained_model: TrainedModel,
    place: Place,
    data: Data,
    extra: list[Callback],
    resume: bool,
    progress: bool,
) -> Figures:
    task, network, sizes = trained_model.task, trained_model.network, data.sizes("train")
    folder = Path(task.folder)
    history = History(folder, events=sum(sizes))
    best = Best(history, task.settings["patience"])
    checkpoint = Checkpoint(folder, history, best, resume)
    front = Front(folder, history, resume)
    callbacks = [history, best, front, *extra, checkpoint, Progress(history, progress)]
    module = Module(task, network, task.objectives(), steps=len(sizes), events=sum(sizes))
    try:
        _run(make_trainer(task, place, callbacks), module, data)
    except InterruptedRun:
        if place.rank == 0:
            summarise(trained_model, "interrupted", _figures(history, best, place))
        raise
    network.load_state_dict(best.weights)
    calibrate_ranges(network, data)
    return _figures(history, best, place)


def _run(trainer: Trainer, module: Module, data: Data) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns Ctrl-C into an exit
        raise InterruptedRun(
            "training was interrupted; it can be resumed from its last whole epoch"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)  # Lightning leaves it ignored


def _figures(history: History, best: Best, place: Place) -> Figures:
    rates = [row["jets_per_second"] for row in history.rows]
    return {
        "seconds": sum(row["seconds"] for row in history.rows),
        "epochs": len(history.rows),
        "best_epoch": best.epoch,
        "jets_per_second": sum(rates) / max(1, len(rates)),
        "workers": place.workers,
        "events": history.events,
    }


def summarise(
    trained_model: TrainedModel, status: Literal["interrupted", "finished"], figures: Figures
) -> None:
    """Write `training.json`: status, figures, parameters and the peak memory of this worker."""
    summary: dict[str, Any] = {
        "status": status,
        **figures,
        "parameters": parameters(trained_model.network),
        "peak_rss_mb": peak_mb(),
    }
    write_json(Path(trained_model.task.folder) / "training.json", summary)


class Watch(Callback):
    """Show each epoch's network to someone who may stop the training."""

    def __init__(self, watcher: Watcher, trained_model: TrainedModel) -> None:
        """Take the function that says whether to stop, and the network that is trained."""
        self.watcher, self.trained_model = watcher, trained_model

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Ask."""
        if self.watcher(trainer.current_epoch + 1, self.trained_model):
            trainer.should_stop = True
