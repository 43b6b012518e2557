"""The trained_model: a trained network with all that it takes to give scores for new events.

`weights.pt` holds tensors, `network.json` says what they are the weights of; neither holds code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, nearest
from bunchtrain.files import write_json
from bunchtrain.methods.build import empty_network
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.methods.tensor_files import read_tensors, write_tensors
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.uncertainty.calibration import Calibration, Scores
from bunchtrain.uncertainty.mixture import mixture_scores

#: Version of the layout of `network.json`.
FORMAT = 1


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
        """Return a block of events as a batch, and the numbers of those that are in it (kept,).

        Raises DataError for a missing column or a value that the policy on invalid ones refuses.
        """
        for column in self.columns:
            if column not in events.fields:
                hint = nearest(column, events.fields)
                raise DataError(f"the events have no column '{column}'{hint}")
        named = events["entry"] if "entry" in events.fields else range(len(events))
        batch = Batch(self.representation(events[self.columns]))
        names, policy = self.representation.names, self.task.invalid
        keep = check_finite(batch.inputs, names, list(named), policy)
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

    def scores(self, batch: Batch) -> dict[str, Scores]:
        """Return target → its scores of represented events, (events,) each, not calibrated."""
        return self._scores(self.draws(batch))

    def _scores(self, draws: dict[str, Tensor]) -> dict[str, Scores]:
        scores: dict[str, Scores] = {target: {} for target in draws}
        for objective, _ in self.task.objectives():
            if objective.outputs:
                target = objective.target.name
                scores[target] |= mixture_scores(objective, draws[target])
        return scores

    def _named(self, scores: dict[str, Scores]) -> Scores:
        """Return calibrated scores, their names beginning with the target where it takes that."""
        named: Scores = {}
        for target, found in scores.items():
            for calibration in self.calibrations.get(target, []):
                found = calibration.apply(found)
            prefix = f"{target}_" if len(self.network.heads) > 1 else ""
            named |= {prefix + name: values for name, values in found.items()}
        return named

    def predict(self, events: ak.Array) -> dict[str, NDArray[np.float32]]:
        """Return class or value → its score for each event, (events,); NaN for dropped events.

        Of a network with a posterior the scores are those of the mixture, and `<score>_sigma` is
        their standard deviation; calibrations are applied. Events of any number are taken in
        batches of the training's size. Where there are several targets, names begin with theirs,
        `flavour_b`. Raises DataError if a column is missing.
        """
        parts = 2 if self.network.is_drawn else 1
        blank = {head: torch.zeros(parts, 1, size) for head, size in self.network.heads.items()}
        found = {
            name: np.full(len(events), np.nan, np.float32)
            for name in self._named(self._scores(blank))
        }
        rows = 8 * int(self.task.settings["batch_size"])
        for start in range(0, len(events), rows):
            batch, keep = self.represent(events[start : start + rows])
            if len(keep):
                for name, values in self._named(self.scores(batch)).items():
                    found[name][start + keep.numpy()] = values.numpy()
        return found

    def save(self, folder: str | Path) -> None:
        """Write `weights.pt` and `network.json`, each aside and renamed."""
        folder = Path(folder)
        write_tensors(folder / "weights.pt", self.network.state_dict())
        task = {k: v for k, v in asdict(self.task).items() if k not in ("cache", "folder")}
        content = {"format": FORMAT, "heads": self.network.heads, "task": task}
        content["calibrations"] = {
            target: [calibration.numbers for calibration in fitted]
            for target, fitted in self.calibrations.items()
        }
        write_json(folder / "network.json", content)


def load(folder: str | Path) -> TrainedModel:
    """Return the trained_model of a training from its folder.

    Raises RunError if there is none or its format is not known.
    """
    folder = Path(folder)
    try:
        content = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        weights = read_tensors(folder / "weights.pt")
    except FileNotFoundError as problem:
        raise RunError(
            f"{folder} holds no trained network: {problem.filename} is missing; finish the "
            "training with --resume"
        ) from None
    if content["format"] != FORMAT:
        raise RunError(f"{folder}/network.json has format {content['format']}, not {FORMAT}")
    task = Task.from_plain({**content["task"], "cache": "", "folder": str(folder)})
    representation, _ = task.build_representation(task.columns)
    network = empty_network(task, representation)
    network.load_state_dict(weights)
    calibrations = task.calibrations()
    for target, fitted in content.get("calibrations", {}).items():
        for calibration, numbers in zip(calibrations[target], fitted, strict=True):
            calibration.numbers = numbers
    return TrainedModel(task, representation, network.eval(), calibrations)
