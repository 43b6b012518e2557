"""Training of one task by one worker: build everything from the task, fit, write the results.

A worker process runs this module with the arguments `FOLDER [--resume]`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.errors import BunchtrainError, StudyError
from bunchtrain.files import write_csv
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import AnyNetwork, build_losses, build_normalised_network
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.protocols import FitsInOneCall, FitsPenalties
from bunchtrain.methods.task import Task
from bunchtrain.parts import report_own_errors
from bunchtrain.progress_events import note, report
from bunchtrain.trained_files import trained_model
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.data import Data, NormalisedBatches
from bunchtrain.training.process import (
    keep_freed_memory,
    reset_peak,
    set_threads,
    silence_libraries,
    threads,
)
from bunchtrain.training.start import Transfer
from bunchtrain.training.summary import Rows, Summary, write_summary
from bunchtrain.training.warnings import training_warnings
from bunchtrain.training.workers import EpochCallback, WorkerInfo, record_failure


def fit(
    task: Task,
    worker: WorkerInfo,
    *,
    resume: bool = False,
    on_epoch: EpochCallback | None = None,
) -> None:
    """Train one task as one of its workers; worker 0 writes the trained model and `training.json`.

    Raises InterruptedRun on Ctrl-C, after which `resume` continues the training.
    """
    set_threads(task)
    reset_peak()
    # Tensors of the same sizes are made again and again; arrays are made once.
    kept = nullcontext() if task.is_on_arrays else keep_freed_memory()
    with silence_libraries(), kept:
        data = Data(task, worker.rank, worker.world_size)
        network, transfer, frozen = _initial_network(data)
        if transfer and worker.rank == 0:
            note(transfer.text)
        trained = trained_model(data.task, data.representation, network)
        if network.trains_by_gradient:
            # Lightning takes seconds to import, and trees do not need it.
            from bunchtrain.training.fit_by_gradient import fit_by_gradient

            with silence_libraries():  # the import has set the levels of its messages
                summary, rows = fit_by_gradient(
                    trained, worker, data, on_epoch, frozen=frozen, resume=resume
                )
        elif worker.rank == 0:
            data.take_all_shares()
            summary, rows = _fit_in_one_call(trained, data)
        if worker.rank == 0:
            _fit_post_hoc(trained, data)
            found = training_warnings(trained, data, rows)
            trained.save(task.folder)
            found += transfer.warnings if transfer else []
            write_summary(trained, "finished", summary, found, transfer)


def _initial_network(data: Data) -> tuple[AnyNetwork, Transfer | None, list[str]]:
    """Return the network before the training, what it starts from, and what of it is frozen."""
    blocks, task = data.load(), data.task
    _seed_everything(task)
    network = build_normalised_network(task, data.representation, blocks)
    if task.start is None:
        return network, None, []
    # Only for these trainings, as trees do not need torch, which takes a second to import.
    from bunchtrain.training.transfer import start_network

    transfer = start_network(network, task, data.representation, blocks)
    if isinstance(network, FittedNetwork):
        return network, transfer, []
    from bunchtrain.training.freezing import check_frozen, frozen_parameters

    frozen = frozen_parameters(network, task, data.representation)
    check_frozen(network, frozen, task, transfer)
    return network, transfer, frozen


def _seed_everything(task: Task) -> None:
    """Set the states of all random numbers, as Lightning's `seed_everything` does."""
    os.environ |= {"PL_GLOBAL_SEED": str(task.seed), "PL_SEED_WORKERS": "0"}
    random.seed(task.seed)
    np.random.seed(task.seed)  # noqa: NPY002
    if not task.is_on_arrays:
        import torch

        torch.manual_seed(task.seed)


def _fit_post_hoc(trained: TrainedModel, data: Data) -> None:
    """Fit what follows the training, on the processor."""
    if not isinstance(trained.network, FittedNetwork):
        trained.network.cpu().eval()
    elif not trained.task.calibration:
        return
    from bunchtrain.training.post_hoc import fit_post_hoc

    fit_post_hoc(trained, data)


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
    if len(rows) > 1:
        report(
            len(rows),
            len(rows),
            text=f"round {len(rows)}/{len(rows)}",
            milestone=True,
            loss=rows[-1]["train_loss"],
            validation_loss=rows[-1]["validation_loss"],
        )
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
    options = {"seed": task.seed, "threads": task.settings["threads"] or threads()}
    if task.owns_loss:
        method: Any = model
        losses: list[dict[str, float]] = method.fit(training, validation, **options)
        return losses
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
            worker = WorkerInfo.from_environment()
            fit(Task.load(folder), worker, resume="--resume" in flags)
    except BunchtrainError as failure:
        record_failure(folder, failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run_worker(*sys.argv[1:]))
