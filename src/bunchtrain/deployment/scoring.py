"""The trained_model as one function from its tensors to its final scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bunchtrain.batch import POINTWISE
from bunchtrain.deployment.parity import Scores
from bunchtrain.methods.event_store import EventStore
from bunchtrain.trained_model import TrainedModel

Arrays = dict[str, NDArray[np.generic]]


class ScoredNetwork(nn.Module):
    """Normalisation, model, units, the objectives' scores (softmax, ...) and their calibration."""

    def __init__(self, trained_model: TrainedModel) -> None:
        super().__init__()
        self.network = trained_model.network
        terms = [term for term, _ in trained_model.task.objectives() if term.outputs]
        self.terms = nn.ModuleList(terms)
        self.targets = [term.target.name for term in terms]
        self.calibrations = trained_model.calibrations

    @property
    def names(self) -> dict[str, list[str]]:
        """Target → the names of its scores, in the order of the columns."""
        heads = self.network.heads.items()
        found = {target: list(self.scores_of(target, torch.zeros(1, n))) for target, n in heads}
        return {target: names for target, names in found.items() if names}

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return target → (batch, scores) from tensors by name, as in `Batch.inputs`."""
        found = {target: self.scores_of(target, x) for target, x in self.network(inputs).items()}
        return {t: torch.stack(list(scores.values()), 1) for t, scores in found.items() if scores}

    def scores_of(self, target: str, outputs: Tensor) -> dict[str, Tensor]:
        """Return score → (batch,) of one target from its outputs (batch, outputs)."""
        scores: dict[str, Tensor] = {}
        for name, term in zip(self.targets, self.terms, strict=True):
            if name == target:
                scores |= term.scores(outputs)  # type: ignore[operator]
        for calibration in self.calibrations.get(target, []):
            scores = calibration.apply(scores)
        return scores


def score_names(trained_model: TrainedModel) -> list[str]:
    """Return the names of all scores in their order, as `TrainedModel.predict` names them."""
    names = ScoredNetwork(trained_model).names
    several = len(trained_model.network.heads) > 1
    return [f"{t}_{score}" if several else score for t in names for score in names[t]]


def shapes(inputs: Mapping[str, Tensor]) -> dict[str, dict[int, str]]:
    """Return tensor → dimension → name of each dimension whose size varies."""
    special = {"edges": {1: "edges"}}
    return {
        name: special.get(name, {0: "points" if name in POINTWISE else "batch"}) for name in inputs
    }


def batches(
    trained_model: TrainedModel, events: ak.Array, rows: int
) -> Iterator[tuple[Tensor, Arrays]]:
    """Yield the numbers of events (batch,) and their tensors by name, `rows` events at a time.

    Events that the policy on invalid values drops are left out.
    """
    for start in range(0, len(events), 8 * rows):
        block, kept = trained_model.represent(events[start : start + 8 * rows])
        if not len(kept):
            continue
        store = EventStore([block])
        for chosen in torch.split(torch.arange(len(store)), rows):
            inputs = store.take(chosen).inputs
            yield start + kept[chosen], {n: inputs[n].numpy() for n in trained_model.network.needs}


def run(
    trained_model: TrainedModel,
    events: ak.Array,
    function: Callable[[Arrays], Sequence[NDArray[np.float32]]],
    rows: int | None = None,
) -> Scores:
    """Return the scores that an exported network gives, named as `TrainedModel.predict` names them.

    function  tensors by name → (batch, scores) of each target, in the order of
              `ScoredNetwork.names`.
    rows      events at once; the batch size of the training if unset.
    """
    flat = score_names(trained_model)
    found = np.full((len(events), len(flat)), np.nan, np.float32)
    for numbers, inputs in batches(
        trained_model, events, rows or trained_model.task.settings["batch_size"]
    ):
        found[numbers.numpy()] = np.concatenate(list(function(inputs)), 1)
    return {name: found[:, k] for k, name in enumerate(flat)}
