"""Training of one task by one worker: build everything from the task, fit, write the results.

A worker process runs this module with the arguments `FOLDER [--resume] [--progress]`.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything

from bunchtrain.errors import BunchtrainError, InterruptedRun, StudyError
from bunchtrain.files import write_csv, write_json
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_losses, build_normalised_network
from bunchtrain.methods.protocols import FitsInOneCall, FitsPenalties
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.parts import report_own_errors
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.checkpoints import BestEpoch, Checkpoint
from bunchtrain.training.data import Data, NormalisedBatches
from bunchtrain.training.history import History
from bunchtrain.training.module import Module, count_parameters
from bunchtrain.training.pareto_front import ParetoFront
from bunchtrain.training.post_hoc import calibrate_ranges, fit_post_hoc
from bunchtrain.training.process import keep_freed_memory, peak_mb, reset_peak, silence_libraries
from bunchtrain.training.progress import Progress
from bunchtrain.training.trainer import make_trainer
from bunchtrain.training.warnings import training_warnings
from bunchtrain.training.workers import EpochCallback, WorkerInfo, record_failure

#: Measurements of a training, for `training.json`.
Summary = dict[str, float]
#: Rows of the learning curves.
Rows = list[dict[str, float]]


def fit(
    task: Task,
    worker: WorkerInfo,
    *,
    resume: bool = False,
    progress: bool = True,
    on_epoch: EpochCallback | None = None,
) -> None:
    """Train one task as one of its workers; worker 0 writes the trained model and `training.json`.

    Raises InterruptedRun on Ctrl-C, after which `resume` continues the training.
    """
    if task.settings["threads"]:
        torch.set_num_threads(task.settings["threads"])
    reset_peak()
    with silence_libraries(), keep_freed_memory():
        data = Data(task, worker.rank, worker.world_size)
        network = _initial_network(data)
        trained_model = TrainedModel(data.task, data.representation, network)
        if network.trains_by_gradient:
            extra: list[Callback] = [CallOnEpoch(on_epoch, trained_model)] if on_epoch else []
            summary, rows = _fit_by_gradient(trained_model, worker, data, extra, resume, progress)
        elif worker.rank == 0:
            data.take_all_shares()
            summary, rows = _fit_in_one_call(trained_model, data)
        if worker.rank == 0:
            network.cpu().eval()
            fit_post_hoc(trained_model, data)
            found = training_warnings(trained_model, data, rows)
            trained_model.save(task.folder)
            write_summary(trained_model, "finished", summary, found)


def _initial_network(data: Data) -> Network:
    blocks = data.load()
    seed_everything(data.task.seed, verbose=False)
    return build_normalised_network(data.task, data.representation, blocks)


def _fit_by_gradient(
    trained_model: TrainedModel,
    worker: WorkerInfo,
    data: Data,
    extra: list[Callback],
    resume: bool,
    progress: bool,
) -> tuple[Summary, Rows]:
    task, network, sizes = trained_model.task, trained_model.network, data.sizes("train")
    folder = Path(task.folder)
    history = History(folder, events=sum(sizes))
    best = BestEpoch(history, task.settings["patience"])
    front = ParetoFront(folder, history, resume)
    checkpoint = Checkpoint(folder, history, best, resume)
    callbacks = [history, best, front, *extra, checkpoint, Progress(history, progress)]
    module = Module(task, network, build_losses(task, network), steps=len(sizes), events=sum(sizes))
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
        trainer.fit(module, datamodule=data)
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


def _fit_in_one_call(trained_model: TrainedModel, data: Data) -> tuple[Summary, Rows]:
    """Fit a model that is not trained by gradient, write `history.csv`; return summary and curves.

    The first head is the loss of the fit; further terms are given to models that support them.
    Raises StudyError for more than one term where the model supports one only.
    """
    task, network = trained_model.task, trained_model.network
    model = network.model
    assert isinstance(model, FitsInOneCall)  # as it does not train by gradient
    terms = sorted(build_losses(task, network), key=lambda term: not isinstance(term[0], Head))
    (loss, factor), others = terms[0], terms[1:]
    training = NormalisedBatches(data, network, "train")
    validation = NormalisedBatches(data, network, "validation")
    seed, threads = task.seed, task.settings["threads"] or torch.get_num_threads()
    began = time.perf_counter()
    if not others:
        losses = model.fit(training, validation, loss, seed=seed, threads=threads)
    elif isinstance(model, FitsPenalties) and model.fits_penalties:
        penalties = [(term, weight / factor) for term, weight in others]
        losses = model.fit(
            training, validation, loss, seed=seed, threads=threads, penalties=penalties
        )
    else:
        raise StudyError(f"model '{task.model[0]}' fits one loss; the study gives {len(terms)}")
    seconds = time.perf_counter() - began
    rate = sum(data.sizes("train")) * len(losses) / seconds
    rows = [
        {
            "epoch": index + 1,
            "train_loss": row["training_loss"],
            "validation_loss": row.get("validation_loss", row["training_loss"]),
            "learning_rate": float("nan"),
            "seconds": seconds / len(losses),
            "samples_per_second": rate,
        }
        for index, row in enumerate(losses)
    ]
    write_csv(Path(task.folder) / "history.csv", rows)
    best = min(rows, key=lambda row: row["validation_loss"])
    summary = {
        "seconds": seconds,
        "epochs": len(rows),
        "best_epoch": int(best["epoch"]),
        "samples_per_second": rate,
        "workers": 1,
        "events": sum(data.sizes("train")),
    }
    return summary, rows


def write_summary(
    trained_model: TrainedModel,
    status: Literal["interrupted", "finished"],
    summary: Summary,
    warnings: Sequence[str] = (),
) -> None:
    """Write `training.json`: status, summary, parameters, peak memory of this worker, warnings."""
    content: dict[str, Any] = {
        "status": status,
        **summary,
        "parameters": count_parameters(trained_model.network),
        "peak_rss_mb": peak_mb(),
        "warnings": list(warnings),
    }
    write_json(Path(trained_model.task.folder) / "training.json", content)


class CallOnEpoch(Callback):
    """Call a function after each epoch, which may stop the training."""

    def __init__(self, on_epoch: EpochCallback, trained_model: TrainedModel) -> None:
        self.on_epoch, self.trained_model = on_epoch, trained_model

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Call the function."""
        if self.on_epoch(trainer.current_epoch + 1, self.trained_model):
            trainer.should_stop = True


def run_worker(folder: str, *flags: str) -> int:
    """Train the task of a folder as the worker of this environment; return the exit code."""
    try:
        with report_own_errors():
            fit(
                Task.load(folder),
                WorkerInfo.from_environment(),
                resume="--resume" in flags,
                progress="--progress" in flags,
            )
    except BunchtrainError as failure:
        record_failure(folder, failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run_worker(*sys.argv[1:]))
