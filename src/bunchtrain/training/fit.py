"""Training of one task by one worker: build everything from the task, fit, write the results.

A worker process runs this module with the arguments `FOLDER [--resume] [--progress]`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from bunchtrain.errors import BunchtrainError, StudyError
from bunchtrain.files import write_csv
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_losses, build_normalised_network
from bunchtrain.methods.protocols import FitsInOneCall, FitsPenalties
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.methods.unsupervised._fit_method import FitMethod
from bunchtrain.parts import report_own_errors
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.data import Data, NormalisedBatches
from bunchtrain.training.post_hoc import fit_post_hoc
from bunchtrain.training.process import keep_freed_memory, reset_peak, silence_libraries
from bunchtrain.training.summary import Rows, Summary, write_summary
from bunchtrain.training.warnings import training_warnings
from bunchtrain.training.workers import EpochCallback, WorkerInfo, record_failure


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
            # Lightning takes seconds to import, and trees do not need it.
            from bunchtrain.training.fit_by_gradient import fit_by_gradient

            with silence_libraries():  # the import has set the levels of its messages
                summary, rows = fit_by_gradient(
                    trained_model, worker, data, on_epoch, resume=resume, progress=progress
                )
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
    _seed_everything(data.task.seed)
    return build_normalised_network(data.task, data.representation, blocks)


def _seed_everything(seed: int) -> None:
    """Set the states of all random numbers, as Lightning's `seed_everything` does."""
    os.environ |= {"PL_GLOBAL_SEED": str(seed), "PL_SEED_WORKERS": "0"}
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def _fit_in_one_call(trained_model: TrainedModel, data: Data) -> tuple[Summary, Rows]:
    """Fit a model that is not trained by gradient, write `history.csv`; return summary and curves.

    The first head is the loss of the fit; further terms are given to models that support them.
    Raises StudyError for more than one term where the model supports one only.
    """
    task = trained_model.task
    began = time.perf_counter()
    losses = _fit_losses(trained_model, data)
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


def _fit_losses(trained_model: TrainedModel, data: Data) -> list[dict[str, float]]:
    """Fit a model or a method in one call; return its losses after each round."""
    task, network = trained_model.task, trained_model.network
    model = network.model
    training = NormalisedBatches(data, network, "train")
    validation = NormalisedBatches(data, network, "validation")
    options = {"seed": task.seed, "threads": task.settings["threads"] or torch.get_num_threads()}
    if isinstance(model, FitMethod):
        return model.fit(training, validation, **options)
    assert isinstance(model, FitsInOneCall)  # as it does not train by gradient
    terms = sorted(build_losses(task, network), key=lambda term: not isinstance(term[0], Head))
    (loss, factor), others = terms[0], terms[1:]
    if not others:
        return model.fit(training, validation, loss, **options)
    if isinstance(model, FitsPenalties) and model.fits_penalties:
        penalties = [(term, weight / factor) for term, weight in others]
        return model.fit(training, validation, loss, penalties=penalties, **options)
    raise StudyError(f"model '{task.model[0]}' fits one loss; the study gives {len(terms)}")


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
