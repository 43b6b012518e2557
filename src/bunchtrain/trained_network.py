"""Predictions and generated events of a trained network on tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import awkward as ak
import numpy as np
import torch
from torch import Tensor

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import DataError
from bunchtrain.heads._head import Head
from bunchtrain.heads.assignment_cross_entropy import AssignmentCrossEntropy
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.protocols import CONDITION, Generates
from bunchtrain.methods.supervised import Network
from bunchtrain.targets import Quantity
from bunchtrain.trained_model import TrainedModel
from bunchtrain.uncertainty.posterior import predict_mixture

#: Events in a batch from which on they are small; large ones, of thousands of points, are few.
SMALL_EVENTS = 128
Key = TypeVar("Key")


@dataclass
class TrainedNetwork(TrainedModel):
    """A network on tensors with its task, its representation and its calibrations."""

    network: Network

    @property
    def block_rows(self) -> int:
        """Events that are represented together: 8 batches, and more of small events."""
        batch = int(self.task.settings["batch_size"])
        most = super().block_rows if batch >= SMALL_EVENTS else 0
        return batch * max(8, most // batch)

    def uncalibrated(self, batch: Batch) -> dict[str, dict[Quantity, Any]]:
        """Return target → predictions before calibration, (events,) each."""
        return self._of_draws(self.draws(batch), batch.tensors().inputs.get("lengths"))

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

    def _of_draws(
        self, draws: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> dict[str, dict[Quantity, Any]]:
        """Return target → predictions before calibration from outputs (draw, events, outputs).

        lengths  (events,), points of each event, for assignments; None for the quantities alone.
        """
        found: dict[str, dict[Quantity, Any]] = {target: {} for target in draws}
        for loss, _ in self.task.losses():
            if isinstance(loss, AssignmentCrossEntropy) and lengths is not None:
                outputs = draws[loss.target.name][0]
                found[loss.target.name] |= loss.event_predictions(outputs, lengths)
            elif isinstance(loss, Head):
                found[loss.target.name] |= predict_mixture(loss, draws[loss.target.name])
        return found

    def _predictions(self, batch: Batch) -> dict[tuple[str, Quantity], Array]:
        """Return (target, quantity) → calibrated predictions of the rows of its axis, (rows,)."""
        network, found = self.network, dict[tuple[str, Quantity], Any]()
        if isinstance(network, MethodNetwork):
            predicted = self._evaluate(network.predict, batch, 0)
            found = {("", quantity): values for quantity, values in predicted.items()}
        else:
            found = dict(self._calibrated(self.uncalibrated(batch)))
        return {key: values.numpy() for key, values in found.items()}

    def _quantities(self) -> Iterable[tuple[str, Quantity]]:
        """Return target and quantity of each prediction."""
        if isinstance(self.network, MethodNetwork):
            return [("", one) for one in self.network.method.quantities]
        draws, heads = (2 if self.network.has_posterior else 1), self.network.heads.items()
        probes = {name: torch.zeros(draws, 1, n) for name, n in heads}
        return self._calibrated(self._of_draws(probes))

    @property
    def generates(self) -> bool:
        """Whether its method generates events."""
        return isinstance(self.network, MethodNetwork) and isinstance(
            self.network.method, Generates
        )

    def generate(
        self, count: int, conditions: ak.Array | None = None, *, seed: int = 1
    ) -> ak.Array:
        """Return generated events as columns, see `TrainedModel.generate`."""
        if not isinstance(self.network, MethodNetwork):
            return super().generate(count, conditions, seed=seed)
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
