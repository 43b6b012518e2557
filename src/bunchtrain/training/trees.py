"""Trees are fitted at once: the same task, the same outcome in the folder."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.files import write_text
from bunchtrain.methods.supervised import Network
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.data import Data
from bunchtrain.training.history import as_csv


class Normalised:
    """The normalised batches of a split, from the beginning as often as one asks."""

    def __init__(self, data: Data, network: Network, split: str) -> None:
        self.data, self.network, self.split = data, network, split

    def __iter__(self) -> Iterator[Batch]:
        needs = self.network.needs
        for batch in self.data.batches(self.split, None):
            batch.inputs = self.network.normalisation({k: batch.inputs[k] for k in needs})
            yield batch


def fit_trees(trained_model: TrainedModel, data: Data) -> dict[str, float]:
    """Fit the trees of a network, write `history.csv` and return the figures.

    The first objective with outputs is the fit; the others are given to trees that take terms
    beside it. Raises StudyError for more than one term where a model fits one alone.
    """
    task, network = trained_model.task, trained_model.network
    terms = sorted(task.objectives(), key=lambda term: term[0].outputs == 0)
    (fit, factor), beside = terms[0], terms[1:]
    takes = "beside" in inspect.signature(network.model.fit).parameters  # type: ignore[arg-type]
    if beside and not takes:
        raise StudyError(
            f"model '{task.model[0]}' fits one objective; the study gives {len(terms)}"
        )
    threads = task.settings["threads"] or torch.get_num_threads()
    began = time.perf_counter()
    losses = network.model.fit(  # type: ignore[operator]  # trees are models with `fit`
        Normalised(data, network, "train"),
        Normalised(data, network, "validation"),
        fit,
        seed=task.seed,
        threads=threads,
        **({"beside": [(term, weight / factor) for term, weight in beside]} if beside else {}),
    )
    seconds = time.perf_counter() - began
    rate = sum(data.sizes("train")) * len(losses) / seconds
    rows = [
        _row(number + 1, loss, seconds / len(losses), rate) for number, loss in enumerate(losses)
    ]
    write_text(Path(task.folder) / "history.csv", as_csv(rows))
    best = min(rows, key=lambda row: row["validation_loss"])
    return {
        "seconds": seconds,
        "epochs": len(rows),
        "best_epoch": int(best["epoch"]),
        "jets_per_second": rate,
        "workers": 1,
        "events": sum(data.sizes("train")),
    }


def _row(epoch: int, losses: dict[str, float], seconds: float, rate: float) -> dict[str, float]:
    return {
        "epoch": epoch,
        "train_loss": losses["training_loss"],
        "validation_loss": losses.get("validation_loss", losses["training_loss"]),
        "learning_rate": float("nan"),
        "seconds": seconds,
        "jets_per_second": rate,
    }
