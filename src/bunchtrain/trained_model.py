"""A trained model: network, task, representation and calibrations, as files and for prediction.

`TrainedModel` holds a model that is fit in one call on arrays, its subclass
`trained_network.TrainedNetwork` a network on tensors, which needs torch.

`weights.safetensors` contains tensors, `network.json` the task that they belong to and their hash;
neither contains code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.files import hash_file, write_json
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import AnyNetwork
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.task import Task
from bunchtrain.methods.tensor_files import (
    write_arrays,
    write_tensors,
)
from bunchtrain.representations._representation import PointRepresentation, Representation
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.representations.preprocessing.placement import (
    Placement,
    place_edges,
    place_points,
    place_unpredicted,
)
from bunchtrain.targets import Quantity
from bunchtrain.targets.target import Axis
from bunchtrain.uncertainty.calibration import Calibration, calibrate

#: Version of the layout of `network.json` → the file of its weights; 1 is that of release 0.1.
FORMATS = {1: "weights.pt", 2: "weights.safetensors"}
FORMAT = 2
#: Events, and values of all their inputs, that a model on arrays takes in one call at most.
_ROWS, _VALUES = 8192, 1 << 23
#: The two points of an edge, predicted for targets on edges.
EDGE = (Quantity("edge", "first"), Quantity("edge", "second"))


@dataclass
class TrainedModel:
    """A network with its task, its representation and, by target, its calibrations.

    This class is for a `FittedNetwork`; `trained_files.trained_model` makes the one that a network
    needs.
    """

    task: Task
    representation: Representation
    network: AnyNetwork
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

    def uncalibrated(self, batch: Batch) -> dict[str, dict[Quantity, Any]]:
        """Return target → predictions before calibration, (events,) each."""
        assert isinstance(self.network, FittedNetwork)  # as `trained_model` chose this class
        return self._of_outputs(self.network(batch.inputs))

    def _of_outputs(self, outputs: Mapping[str, Array]) -> dict[str, dict[Quantity, Any]]:
        """Return target → predictions before calibration, from outputs (events, outputs)."""
        found: dict[str, dict[Quantity, Any]] = {target: {} for target in outputs}
        for loss, _ in self.task.losses():
            if isinstance(loss, Head):
                found[loss.target.name] |= loss.predictions(outputs[loss.target.name])
        return found

    def _predictions(self, batch: Batch) -> dict[tuple[str, Quantity], Array]:
        """Return (target, quantity) → calibrated predictions of the rows of its axis, (rows,)."""
        return self._calibrated(self.uncalibrated(batch))

    def _calibrated(
        self, uncalibrated: Mapping[str, dict[Quantity, Any]]
    ) -> dict[tuple[str, Quantity], Array]:
        found: dict[tuple[str, Quantity], Array] = {}
        for target, predictions in uncalibrated.items():
            calibrated = calibrate(predictions, self.calibrations.get(target, []))
            found |= {(target, quantity): values for quantity, values in calibrated.items()}
        return found

    def _quantities(self) -> Iterable[tuple[str, Quantity]]:
        """Return target and quantity of each prediction."""
        heads = self.network.heads.items()
        return self._calibrated(
            self._of_outputs({name: np.zeros((1, n), np.float32) for name, n in heads})
        )

    @property
    def quantities(self) -> dict[str, tuple[str, Quantity]]:
        """Column of `predict` → its target and quantity, in the order of the columns.

        Where there are several targets, names begin with theirs, `flavour_b`.
        """
        heads = self.network.heads
        several = len(heads) > 1
        of_edges = [(name, end) for name in heads if self._axis(name) == "edge" for end in EDGE]
        return {
            f"{target}_{quantity.name}" if several else quantity.name: (target, quantity)
            for target, quantity in [*self._quantities(), *of_edges]
        }

    def _axis(self, target: str) -> Axis:
        return self.task.targets[target].axis if target else "event"

    @property
    def block_rows(self) -> int:
        """Events that are represented together."""
        sizes = self.representation.sizes.values()
        return max(1, min(_ROWS, _VALUES // sum(int(np.prod(size)) for size in sizes)))

    def predict(self, events: ak.Array) -> dict[str, Any]:
        """Return column → its predicted quantity for each event, (events,); NaN if dropped.

        The columns are those of `quantities`. Those of a target on points are lists, one item for
        each item of the group, NaN where the representation leaves it out; those on edges have one
        item for each edge, and the indices of its two points in the group. Predictions of a
        network with a posterior are those of the mixture, with their standard deviations;
        calibrations are applied. Any count of events is evaluated, in blocks of bounded size.
        Raises DataError if a column is missing.
        """
        rows, columns = self.block_rows, self.quantities
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
                    values = predictions[target, quantity]
                    if quantity.kind == "index":
                        values = places["point"].items(values, batch.inputs["lengths"])
                    found[name][keep] = values
            elif quantity in EDGE:
                found[name] = places[axis].ends[EDGE.index(quantity)]
            else:
                given = predictions.get((target, quantity))
                found[name] = places[axis].spread(given)
        return found

    def unpredicted(self, events: ak.Array) -> dict[str, ak.Array]:
        """Return the columns that are lists for events that are not predicted: NaN for each item.

        Items are those of the group, and the edges of the data; lists of edges that the
        representation makes are empty.
        """
        columns = {n: one for n, one in self.quantities.items() if self._axis(one[0]) != "event"}
        if not columns:
            return {}
        assert isinstance(self.representation, PointRepresentation)  # checked with the study
        places = place_unpredicted(self.representation, events[self.columns])
        found = {}
        for name, (target, quantity) in columns.items():
            place = places[self._axis(target)]
            is_end = quantity in EDGE
            found[name] = place.ends[EDGE.index(quantity)] if is_end else place.spread(None)
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
        return False

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
        raise StudyError(f"model '{self.task.model[0]}' predicts and does not generate events")

    def save(self, folder: str | Path) -> None:
        """Write the weights and, with their hash, `network.json`, atomically."""
        folder = Path(folder)
        weights = folder / FORMATS[FORMAT]
        write = write_arrays if isinstance(self.network, FittedNetwork) else write_tensors
        write(weights, self.network.state_dict())
        places = ("cache", "folder", "start")
        task = {k: v for k, v in self.task.as_dict().items() if k not in places}
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
