"""A trained model: network, task, representation and calibrations, as files and for prediction.

`weights.safetensors` contains tensors, `network.json` the task that they belong to and their hash;
neither contains code.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, StudyError, nearest
from bunchtrain.files import damaged, hash_file, read_json, write_json
from bunchtrain.heads._head import Head
from bunchtrain.heads.assignment_cross_entropy import AssignmentCrossEntropy
from bunchtrain.methods.build import build_network
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task, TaskFile
from bunchtrain.methods.tensor_files import load_state, read_tensors, write_tensors
from bunchtrain.methods.unsupervised._method import CONDITION, Generates
from bunchtrain.representations._representation import PointRepresentation, Representation
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.representations.preprocessing.placement import Placement, place_edges, place_points
from bunchtrain.targets import Quantity
from bunchtrain.targets.target import Axis
from bunchtrain.uncertainty.calibration import Calibration, Quantities, build_calibrations
from bunchtrain.uncertainty.posterior import predict_mixture

#: Version of the layout of `network.json` → the file of its weights; 1 is that of release 0.1.
FORMATS = {1: "weights.pt", 2: "weights.safetensors"}
FORMAT = 2
Key = TypeVar("Key")
#: The two points of an edge, predicted for targets on edges.
EDGE = (Quantity("edge", "first"), Quantity("edge", "second"))


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

    def represent(self, events: ak.Array) -> tuple[Batch, NDArray[np.int64]]:
        """Return a block of events as a batch, and the indices of its events (kept,).

        Raises DataError for a missing column or an invalid value, by the policy of the task.
        """
        for column in self.columns:
            if column not in events.fields:
                hint = nearest(column, events.fields)
                raise DataError(f"the events have no column '{column}'{hint}")
        has_entry = "entry" in events.fields
        entries = ak.to_numpy(events["entry"]) if has_entry else np.arange(len(events))
        batch = Batch(self.representation(events[self.columns]))
        names, policy = self.representation.names, self.task.invalid
        keep = check_finite(batch.inputs, names, entries, policy)
        return (batch if len(keep) == len(batch) else batch.take(keep)), keep

    def draws(self, batch: Batch) -> dict[str, Tensor]:
        """Return head → (draw, rows, outputs); one draw of a network without a posterior."""
        return self._evaluate(self.network.draws, batch, 1)

    def _evaluate(
        self, function: Callable[[dict[str, Tensor]], dict[Key, Tensor]], batch: Batch, axis: int
    ) -> dict[Key, Tensor]:
        """Return the results of a function of the inputs, in batches, joined along an axis."""
        rows, store = int(self.task.settings["batch_size"]), EventStore([batch])
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        was_training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            parts = [
                function(store.take(chosen).tensors(device).inputs)
                for chosen in np.split(np.arange(len(store)), range(rows, len(store), rows))
            ]
        self.network.train(was_training)
        return {key: torch.cat([p[key].float().cpu() for p in parts], axis) for key in parts[0]}

    def uncalibrated_predictions(
        self, draws: dict[str, Tensor], lengths: Tensor | None = None
    ) -> dict[str, Quantities]:
        """Return target → predictions before calibration, (events,) each, from `draws`.

        lengths  (events,), points of each event, for assignments; None for the quantities alone.
        """
        found: dict[str, Quantities] = {target: {} for target in draws}
        for loss, _ in self.task.losses():
            if isinstance(loss, AssignmentCrossEntropy) and lengths is not None:
                outputs = draws[loss.target.name][0]
                found[loss.target.name] |= loss.event_predictions(outputs, lengths)
            elif isinstance(loss, Head):
                found[loss.target.name] |= predict_mixture(loss, draws[loss.target.name])
        return found

    def _predictions(self, batch: Batch) -> dict[tuple[str, Quantity], Tensor]:
        """Return (target, quantity) → predictions of the rows of its axis, (rows,) each."""
        if isinstance(self.network, MethodNetwork):
            found = self._evaluate(self.network.predict, batch, 0)
            return {("", quantity): values for quantity, values in found.items()}
        return self._calibrated(self.draws(batch), batch.tensors().inputs.get("lengths"))

    def _calibrated(
        self, draws: dict[str, Tensor], lengths: Tensor | None = None
    ) -> dict[tuple[str, Quantity], Tensor]:
        """Return (target, quantity) → calibrated predictions, (events,) each, from `draws`."""
        found: dict[tuple[str, Quantity], Tensor] = {}
        for target, predictions in self.uncalibrated_predictions(draws, lengths).items():
            for calibration in self.calibrations.get(target, []):
                predictions = calibration.apply(predictions)
            found |= {(target, quantity): values for quantity, values in predictions.items()}
        return found

    @property
    def quantities(self) -> dict[str, tuple[str, Quantity]]:
        """Column of `predict` → its target and quantity, in the order of the columns.

        Where there are several targets, names begin with theirs, `flavour_b`.
        """
        if isinstance(self.network, MethodNetwork):
            return {one.name: ("", one) for one in self.network.method.quantities}
        draws, heads = (2 if self.network.has_posterior else 1), self.network.heads
        found = self._calibrated({head: torch.zeros(draws, 1, n) for head, n in heads.items()})
        several = len(heads) > 1
        of_edges = [(name, end) for name in heads if self._axis(name) == "edge" for end in EDGE]
        return {
            f"{target}_{quantity.name}" if several else quantity.name: (target, quantity)
            for target, quantity in [*found, *of_edges]
        }

    def _axis(self, target: str) -> Axis:
        return self.task.targets[target].axis if target else "event"

    def predict(self, events: ak.Array) -> dict[str, Any]:
        """Return column → its predicted quantity for each event, (events,); NaN if dropped.

        The columns are those of `quantities`. Those of a target on points are lists, one item for
        each item of the group, NaN where the representation leaves it out; those on edges have one
        item for each edge, and the indices of its two points in the group. Predictions of a
        network with a posterior are those of the mixture, with their standard deviations;
        calibrations are applied. Any count of events is evaluated in batches of the training's
        size. Raises DataError if a column is missing.
        """
        rows, columns = 8 * int(self.task.settings["batch_size"]), self.quantities
        starts = range(0, max(1, len(events)), rows)
        blocks = [self._predict_block(events[start : start + rows], columns) for start in starts]
        return {
            name: np.concatenate([block[name] for block in blocks])
            if self._axis(target) == "event"
            else ak.concatenate([block[name] for block in blocks])
            for name, (target, _) in columns.items()
        }

    def _predict_block(
        self, events: ak.Array, columns: Mapping[str, tuple[str, Quantity]]
    ) -> dict[str, Any]:
        if not len(events):
            return {
                name: _missing(quantity, 0)
                if self._axis(target) == "event"
                else ak.Array([[0.0]])[:0]
                for name, (target, quantity) in columns.items()
            }
        batch, keep = self.represent(events)
        predictions = self._predictions(batch) if len(keep) else {}
        axes = {self._axis(target) for target, _ in columns.values()}
        axes |= {"point"} if any(one.kind == "index" for _, one in columns.values()) else set()
        places = self._places(events, batch, keep, axes)
        found: dict[str, Any] = {}
        for name, (target, quantity) in columns.items():
            axis = self._axis(target)
            if axis == "event":
                found[name] = _missing(quantity, len(events))
                if len(keep):
                    values = predictions[target, quantity].numpy()
                    if quantity.kind == "index":
                        values = places["point"].items(values, batch.inputs["lengths"])
                    found[name][keep] = values
            elif quantity in EDGE:
                found[name] = places[axis].ends[EDGE.index(quantity)]
            else:
                given = predictions.get((target, quantity))
                found[name] = places[axis].spread(None if given is None else given.numpy())
        return found

    def _places(
        self, events: ak.Array, batch: Batch, keep: NDArray[np.int64], axes: Collection[str]
    ) -> dict[str, Placement]:
        """Return axis → places of its rows in the lists of the events."""
        if not set(axes) - {"event"}:
            return {}
        assert isinstance(self.representation, PointRepresentation)  # checked with the study
        found = {"point": place_points(self.representation, events[self.columns], keep)}
        if "edge" in axes:
            found["edge"] = place_edges(
                self.representation, events[self.columns], found["point"], batch, keep
            )
        return found

    @property
    def generates(self) -> bool:
        """Whether its method generates events."""
        return isinstance(self.network, MethodNetwork) and isinstance(
            self.network.method, Generates
        )

    @property
    def columns_of_condition(self) -> list[str]:
        """Columns of the events that a condition is made of."""
        return self.representation.columns_of_condition(self.columns)

    def decoded(self, events: ak.Array) -> ak.Array:
        """Return events as they are after representation and its inverse, of the same columns."""
        return self.representation.decode(self.represent(events)[0].inputs)

    def generate(
        self, count: int, conditions: ak.Array | None = None, *, seed: int = 1
    ) -> ak.Array:
        """Return generated events as columns.

        count       number of events.
        conditions  (count,) events with the columns of the representation's `condition`.
        seed        of the random numbers.

        Raises StudyError if the method does not generate or a condition is missing, NotInvertible
        if the representation cannot be decoded.
        """
        name = self.task.model[0]
        if not isinstance(self.network, MethodNetwork):
            raise StudyError(f"model '{name}' predicts and does not generate events")
        given = None
        if self.network.method.condition and conditions is not None:
            values = self.representation.encode_condition(conditions)
            if (bad := np.argwhere(~np.isfinite(values))).size:
                row, column = bad[0]
                raise DataError(
                    f"condition '{self.representation.names[CONDITION][column]}' is "
                    f"{values[row, column]} in row {row} of the conditions; give finite ones"
                )
            given = torch.from_numpy(values)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tensors = self.network.eval().generate(count, given)
        tensors |= {CONDITION: given} if given is not None else {}
        return self.representation.decode({name: value.numpy() for name, value in tensors.items()})

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


def _missing(quantity: Quantity, events: int) -> NDArray[Any]:
    """Return a column (events,) of events without a prediction."""
    return np.full(events, quantity.missing, np.int64 if quantity.kind == "index" else np.float32)


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
