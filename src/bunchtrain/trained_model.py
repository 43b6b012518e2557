"""A trained model: network, task, representation and calibrations, as files and for prediction.

`weights.safetensors` contains tensors, `network.json` the task that they belong to and their hash;
neither contains code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, nearest
from bunchtrain.files import damaged, hash_file, read_json, write_json
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_network
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task, TaskFile
from bunchtrain.methods.tensor_files import load_state, read_tensors, write_tensors
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.targets import Quantity
from bunchtrain.uncertainty.calibration import Calibration, Quantities, build_calibrations
from bunchtrain.uncertainty.posterior import predict_mixture

#: Version of the layout of `network.json` → the file of its weights; 1 is that of release 0.1.
FORMATS = {1: "weights.pt", 2: "weights.safetensors"}
FORMAT = 2


class NetworkFile(BaseModel):
    """Content of `network.json`; `sha256` is that of the weights."""

    format: int
    heads: dict[str, int]
    task: TaskFile
    calibrations: dict[str, list[Any]] = {}
    sha256: str | None = None


@dataclass
class TrainedModel:
    """A network with its task, its representation and, by target, its calibrations."""

    task: Task
    representation: Representation
    network: Network
    calibrations: dict[str, list[Calibration]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns that `predict` reads."""
        return self.task.columns

    def represent(self, events: ak.Array) -> tuple[Batch, Tensor]:
        """Return a block of events as a batch, and the indices of its events (kept,).

        Raises DataError for a missing column or an invalid value, by the policy of the task.
        """
        for column in self.columns:
            if column not in events.fields:
                hint = nearest(column, events.fields)
                raise DataError(f"the events have no column '{column}'{hint}")
        entries = events["entry"] if "entry" in events.fields else range(len(events))
        batch = Batch(self.representation(events[self.columns]))
        names, policy = self.representation.names, self.task.invalid
        keep = check_finite(batch.inputs, names, list(entries), policy)
        return (batch if len(keep) == len(batch) else batch.take(keep)), keep

    def draws(self, batch: Batch) -> dict[str, Tensor]:
        """Return head → (draw, events, outputs); one draw of a network without a posterior."""
        rows, store = int(self.task.settings["batch_size"]), EventStore([batch])
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        was_training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            parts = [
                self.network.draws(store.take(chosen).to(device).inputs)
                for chosen in torch.split(torch.arange(len(store)), rows)
            ]
        self.network.train(was_training)
        return {head: torch.cat([p[head].float().cpu() for p in parts], 1) for head in parts[0]}

    def uncalibrated_predictions(self, draws: dict[str, Tensor]) -> dict[str, Quantities]:
        """Return target → predictions before calibration, (events,) each, from `draws`."""
        found: dict[str, Quantities] = {target: {} for target in draws}
        for loss, _ in self.task.losses():
            if isinstance(loss, Head):
                found[loss.target.name] |= predict_mixture(loss, draws[loss.target.name])
        return found

    def _calibrated(self, draws: dict[str, Tensor]) -> dict[tuple[str, Quantity], Tensor]:
        """Return (target, quantity) → calibrated predictions, (events,) each, from `draws`."""
        found: dict[tuple[str, Quantity], Tensor] = {}
        for target, predictions in self.uncalibrated_predictions(draws).items():
            for calibration in self.calibrations.get(target, []):
                predictions = calibration.apply(predictions)
            found |= {(target, quantity): values for quantity, values in predictions.items()}
        return found

    @property
    def quantities(self) -> dict[str, tuple[str, Quantity]]:
        """Column of `predict` → its target and quantity, in the order of the columns.

        Where there are several targets, names begin with theirs, `flavour_b`.
        """
        draws, heads = (2 if self.network.has_posterior else 1), self.network.heads
        found = self._calibrated({head: torch.zeros(draws, 1, n) for head, n in heads.items()})
        several = len(heads) > 1
        return {
            f"{target}_{quantity.name}" if several else quantity.name: (target, quantity)
            for target, quantity in found
        }

    def predict(self, events: ak.Array) -> dict[str, NDArray[np.float32]]:
        """Return column → its predicted quantity for each event, (events,); NaN if dropped.

        The columns are those of `quantities`. Predictions of a network with a posterior are those
        of the mixture, with their standard deviations; calibrations are applied. Any count of
        events is evaluated in batches of the training's size. Raises DataError if a column is
        missing.
        """
        columns = self.quantities
        found = {name: np.full(len(events), np.nan, np.float32) for name in columns}
        rows = 8 * int(self.task.settings["batch_size"])
        for start in range(0, len(events), rows):
            batch, keep = self.represent(events[start : start + rows])
            if len(keep):
                predictions = self._calibrated(self.draws(batch))
                for name, quantity in columns.items():
                    found[name][start + keep.numpy()] = predictions[quantity].numpy()
        return found

    def save(self, folder: str | Path) -> None:
        """Write the weights and, with their hash, `network.json`, atomically."""
        folder = Path(folder)
        weights = folder / FORMATS[FORMAT]
        write_tensors(weights, self.network.state_dict())
        task = {k: v for k, v in self.task.as_dict().items() if k not in ("cache", "folder")}
        content = {"format": FORMAT, "heads": self.network.heads, "task": task}
        content["calibrations"] = {
            target: [calibration.numbers for calibration in fitted]
            for target, fitted in self.calibrations.items()
        }
        content["sha256"] = hash_file(weights)
        write_json(folder / "network.json", content)


def load(folder: str | Path, *, is_own: bool = False) -> TrainedModel:
    """Return the trained model in the folder of a training.

    folder  with `network.json` and the weights.
    is_own  whether this process trained it, so that its code is trusted.

    Raises RunError, naming the file, if there is none, if it is damaged, edited or of another
    model, or if it names code that is not trusted.
    """
    description = Path(folder) / "network.json"
    if not description.is_file():
        raise RunError(f"{description} is missing: finish the training with --resume")
    content = read_json(description, NetworkFile)
    if not is_own:
        parts.check_recorded(content, folder)
    if content["format"] not in FORMATS:
        known = " or ".join(map(str, FORMATS))
        raise RunError(f"{description} has format {content['format']}, not {known}")
    weights = _read_weights(Path(folder) / FORMATS[content["format"]], content.get("sha256"))
    try:
        trained = _build(folder, content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as problem:
        raise damaged(description, f"{type(problem).__name__}: {problem}") from None
    load_state(trained.network, weights, Path(folder) / FORMATS[content["format"]])
    return trained


def _read_weights(path: Path, sha256: str | None) -> dict[str, Tensor]:
    """Return the weights in a file.

    Raises RunError if the file is missing or was changed, or if a weight is NaN.
    """
    if not path.is_file():
        raise RunError(f"{path} is missing: restore it, or run the study again")
    if sha256 is not None and hash_file(path) != sha256:
        raise RunError(f"{path} was changed after the training: restore it, or run the study again")
    weights = read_tensors(path)
    for name, value in weights.items():  # replacements of NaN in inputs may be NaN themselves
        is_number = isinstance(value, Tensor) and value.is_floating_point()  # trees have more
        if name.startswith("model.") and is_number and value.isnan().any():
            raise RunError(f"{path}: '{name}' contains NaN: run the study again")
    return weights


def _build(folder: str | Path, content: dict[str, Any]) -> TrainedModel:
    """Return the model that `network.json` describes, with initial weights."""
    task = Task.from_dict({**content["task"], "cache": "", "folder": str(folder)})
    representation, _ = task.build_representation(task.columns)
    network = build_network(task, representation)
    calibrations = build_calibrations(task)
    for target, fitted in content.get("calibrations", {}).items():
        for calibration, numbers in zip(calibrations[target], fitted, strict=True):
            calibration.numbers = numbers
    return TrainedModel(task, representation, network.eval(), calibrations)
