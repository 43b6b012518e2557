"""A trained model as one function from its tensors to its final scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.fitted_module import as_network
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.targets import Quantity
from bunchtrain.trained_model import EDGE, TrainedModel

Arrays = dict[str, NDArray[np.generic]]


class ScoredNetwork(nn.Module):
    """Normalisation, model, units, predictions of the heads (softmax, ...) and calibration."""

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__()
        self.network = as_network(trained.network)
        losses = [loss for loss, _ in trained.task.losses()]
        self.losses = [loss for loss in losses if isinstance(loss, Head)]
        self.heads = nn.ModuleList(loss for loss in self.losses if isinstance(loss, nn.Module))
        self.calibrations = trained.calibrations

    @property
    def names(self) -> dict[str, list[str]]:
        """Target, or method → the names of its scores, in the order of the columns."""
        if isinstance(self.network, MethodNetwork):
            method = self.network.method
            return {method.name: [quantity.name for quantity in method.quantities]}
        heads = self.network.heads.items()
        found = {target: list(self.scores_of(target, torch.zeros(1, n))) for target, n in heads}
        return {target: names for target, names in found.items() if names}

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return target, or method → (rows, scores) from tensors by name, as in `Batch.inputs`.

        The rows of a target on points or edges are those, of all events in turn.
        """
        if isinstance(self.network, MethodNetwork):
            predicted = self.network.predict(inputs)
            ordered = [predicted[quantity] for quantity in self.network.method.quantities]
            return {self.network.method.name: torch.stack(ordered, 1)}
        found = {target: self.scores_of(target, x) for target, x in self.network(inputs).items()}
        return {t: torch.stack(list(scores.values()), 1) for t, scores in found.items() if scores}

    def scores_of(self, target: str, outputs: Tensor) -> dict[str, Tensor]:
        """Return score → (batch,) of one target from its outputs (batch, outputs)."""
        found: dict[Quantity, Tensor] = {}
        for head in self.losses:
            if head.target.name == target:
                found |= head.predictions(outputs)
        for calibration in self.calibrations.get(target, []):
            found = calibration.apply(found)
        return {quantity.name: values for quantity, values in found.items()}


def scores_of_outputs(
    trained: TrainedModel, outputs: NDArray[Any]
) -> dict[str, NDArray[np.float32]]:
    """Return score → (events,) from a model's outputs, for exports that end with the outputs.

    outputs  (events, outputs), before they are scaled to their units.
    """
    scored = ScoredNetwork(trained)
    network = scored.network
    scaled = torch.from_numpy(outputs).float() * network.scale + network.shift
    heads = zip(network.heads, torch.split(scaled, list(network.heads.values()), 1), strict=True)
    found = [value.numpy() for head, x in heads for value in scored.scores_of(head, x).values()]
    return dict(zip(trained.quantities, found, strict=True))


def batches(
    trained: TrainedModel, events: ak.Array, rows: int
) -> Iterator[tuple[NDArray[np.int64], Arrays]]:
    """Yield the indices of events (batch,) and their tensors by name, `rows` events at a time.

    Events that the policy on invalid values drops are left out.
    """
    for start in range(0, len(events), 8 * rows):
        block, indices = trained.represent(events[start : start + 8 * rows])
        if not len(indices):
            continue
        store = EventStore([block])
        for chosen in np.split(np.arange(len(store)), range(rows, len(store), rows)):
            inputs = store.take(chosen).inputs
            yield (
                start + indices[chosen],
                {n: inputs[n] for n in trained.network.input_names},
            )


#: Tensors by name → (rows, scores) of each target, in the order of `ScoredNetwork.names`.
Function = Callable[[Arrays], Sequence[NDArray[np.float32]]]


@dataclass
class ExportedModel(TrainedModel):
    """A trained model whose predictions are computed by its export.

    original  the trained model itself.
    function  of the export.
    rows      events of a batch; the batch size of the training if unset.
    """

    original: TrainedModel | None = None
    function: Function | None = None
    rows: int | None = None

    def _quantities(self) -> Iterable[tuple[str, Quantity]]:
        assert self.original is not None
        return self.original._quantities()

    def _predictions(self, batch: Batch) -> dict[tuple[str, Quantity], NDArray[Any]]:
        assert self.function is not None
        store, rows = EventStore([batch]), self.rows or int(self.task.settings["batch_size"])
        found = []
        for chosen in np.split(np.arange(len(store)), range(rows, len(store), rows)):
            inputs = store.take(chosen).inputs
            found.append(self.function({name: inputs[name] for name in self.network.input_names}))
        joined = [np.concatenate(scores) for scores in zip(*found, strict=True)]
        columns = [one for scores in joined for one in scores.T]
        keys = [key for key in self.quantities.values() if key[1] not in EDGE]
        return dict(zip(keys, columns, strict=True))


def run(
    trained: TrainedModel, events: ak.Array, function: Function, rows: int | None = None
) -> dict[str, Any]:
    """Return the scores of an exported network, as `TrainedModel.predict` returns them.

    function  of the export.
    rows      events of a batch; the batch size of the training if unset.
    """
    own = (trained.task, trained.representation, trained.network, trained.calibrations)
    return ExportedModel(*own, trained, function, rows).predict(events)
