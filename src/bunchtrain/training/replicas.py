"""Many trainings of one small network in one batch, each with its own events and initial weights.

Replica r has the weights W_r, stacked to (replica, ...), its own Adam or SGD state, order of
events, best epoch and early stopping. Its numbers are, to rounding, those of the training of the
same task alone: the initial weights, the batches and the learning rates are the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError, UserError
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_normalised_network
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.protocols import CalibratesRanges, HasPruner, HasWeightPenalty
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.trained_files import trained_model
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.replica_optimiser import ReplicaOptimiser
from bunchtrain.training.schedules import Plateau, factor

#: Rows of all replicas that are evaluated at once for the validation loss.
_ROWS = 200_000


class NotTogether(StudyError):
    """Trainings that cannot be made in one batch."""


@dataclass(frozen=True)
class Replica:
    """One of many trainings: its task, and its represented events.

    task            with the seed of its initial weights and of the order of its events.
    representation  of the task.
    train           events.
    validation      events.
    """

    task: Task
    representation: Representation
    train: EventStore
    validation: EventStore


def why_not_together(task: Task, representation: Representation) -> str:
    """Return why trainings of a task cannot be made in one batch, '' if they can."""
    settings = task.settings
    if task.owns_loss or task.is_on_arrays:
        return f"'{task.model[0]}' is not a network with losses on targets"
    if task.posterior is not None or task.calibration:
        return "it has a posterior or a calibration"
    if set(representation.sizes) & {"lengths", "features", "words", "edges"}:
        return "its inputs have a varying number of points"
    if settings["optimiser"] == "radam" or settings["engine"]["name"] != "local":
        return "it has another engine or optimiser"
    if task.start is not None or settings.get("layer_decay") is not None:
        return "it starts from a trained model or has learning rates by depth"
    for loss, _ in task.losses():
        has_units = type(loss).set_units is not Head.set_units if isinstance(loss, Head) else True
        if has_units or loss.is_batch_statistic or loss.has_parameters:
            return f"loss '{loss.name}' depends on more than one event"
    return ""


def fit_replicas(replicas: Sequence[Replica]) -> list[TrainedModel]:
    """Return the trained models of tasks that differ in seed and events, trained in one batch.

    Each has the weights of its epoch with the smallest validation loss,
    L = Σ_t λ_t Σ_i w_i ℓ_ti / Σ_i w_i.

    replicas  of one study: same model, loss and settings.

    Raises NotTogether for a network that cannot be trained in one batch, UserError if a loss is not
    finite.
    """
    first = replicas[0]
    if reason := why_not_together(first.task, first.representation):
        raise NotTogether(f"trainings cannot be made in one batch: {reason}")
    networks = [_initial_network(one) for one in replicas]
    _check_model(networks[0].model)
    weights = _Batch(replicas, networks).fit()
    for index, network in enumerate(networks):
        network.model.load_state_dict({name: value[index] for name, value in weights.items()})
        network.eval()
    return [
        trained_model(one.task, one.representation, network)
        for one, network in zip(replicas, networks, strict=True)
    ]


def _initial_network(replica: Replica) -> Network:
    """Return the network with the initial weights of a training of the task alone."""
    seed = replica.task.seed
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (as `fit` does)
    torch.manual_seed(seed)
    blocks = [replica.train.events]
    network = build_normalised_network(replica.task, replica.representation, blocks)
    assert isinstance(network, Network)  # as `why_not_together` checked
    return network


def _check_model(model: nn.Module) -> None:
    """Raise NotTogether for a model whose replicas are not independent of each other, or random."""
    has_state = any(True for _ in model.buffers()) or isinstance(model, CalibratesRanges)
    drops = any(isinstance(one, nn.Dropout) and one.p > 0 for one in model.modules())
    prunes = isinstance(model, HasPruner) and model.pruner is not None
    if has_state or drops or prunes or isinstance(model, HasWeightPenalty):
        raise NotTogether(
            f"trainings of {type(model).__name__} cannot be made in one batch: remove dropout, "
            "batch normalisation and pruning"
        )


class _Set:
    """The events of one set of all replicas, padded to the largest: (replica, events, ...)."""

    def __init__(self, stores: Sequence[EventStore], networks: Sequence[Network]) -> None:
        self.sizes = [len(store) for store in stores]
        most = max(self.sizes)
        inputs, targets, weights = [], [], []
        for store, network in zip(stores, networks, strict=True):
            batch = network.standardise(store.take(np.arange(len(store))).tensors())
            weight = torch.as_tensor(batch.weights).float()
            with torch.no_grad():
                normalised = network.normalise(batch.inputs)
            inputs.append({name: _pad(one, most) for name, one in normalised.items()})
            targets.append({name: _pad(one, most) for name, one in batch.targets.items()})
            weights.append(_pad(weight, most))
        self.inputs = {name: torch.stack([one[name] for one in inputs]) for name in inputs[0]}
        self.targets = {name: torch.stack([one[name] for one in targets]) for name in targets[0]}
        self.weights = torch.stack(weights)  # (replica, events)

    def take(self, rows: Tensor, used: Tensor) -> tuple[dict[str, Tensor], Batch, Tensor]:
        """Return inputs (replica, batch, ...), the rest with rows of all replicas, and weights.

        rows  (replica, batch) indices.
        used  (replica, batch), 0 for padding.
        """
        replica = torch.arange(len(rows))[:, None]
        inputs = {name: one[replica, rows] for name, one in self.inputs.items()}
        targets = {name: one[replica, rows].flatten(0, 1) for name, one in self.targets.items()}
        weights = self.weights[replica, rows] * used
        flat = {name: one.flatten(0, 1) for name, one in inputs.items()}
        return inputs, Batch(flat, targets, weights.flatten()), weights


def _pad(values: Tensor, rows: int) -> Tensor:
    """Return values (events, ...) with zeros up to a number of rows."""
    padded = values.new_zeros((rows, *values.shape[1:]))
    padded[: len(values)] = values
    return padded


class _Batch:
    """The training of replicas in one batch."""

    def __init__(self, replicas: Sequence[Replica], networks: Sequence[Network]) -> None:
        self.settings: Mapping[str, Any] = replicas[0].task.settings
        self.seeds = [one.task.seed for one in replicas]
        self.terms, self.heads = replicas[0].task.losses(), networks[0].heads
        self.train = _Set([one.train for one in replicas], networks)
        self.validation = _Set([one.validation for one in replicas], networks)
        self.template = networks[0].model
        self.inputs = networks[0].model_inputs
        stacked, _ = stack_module_state([network.model for network in networks])
        self.weights = {name: one.detach().requires_grad_() for name, one in stacked.items()}
        self.optimiser = ReplicaOptimiser(self.settings, list(self.weights.values()))
        size = int(self.settings["batch_size"])
        self.steps = [-(-total // size) for total in self.train.sizes]
        self.width = min(size, max(self.train.sizes))

    def fit(self) -> dict[str, Tensor]:
        """Return the stacked weights of the best epoch of each replica."""
        count, patience = len(self.seeds), self.settings["patience"]
        best = {name: one.detach().clone() for name, one in self.weights.items()}
        lowest, best_epoch = [math.inf] * count, [0] * count
        plateaus, running = [Plateau() for _ in self.seeds], [True] * count
        for epoch in range(self.settings["epochs"]):
            self._train_epoch(epoch, running, plateaus)
            losses = self._validate()
            better = torch.zeros(count, dtype=torch.bool)
            for r in range(count):
                if not running[r]:
                    continue
                self._check(losses[r], epoch, "validation loss", r)
                if self.settings["schedule"] == "plateau":
                    plateaus[r].update(losses[r])
                if losses[r] < lowest[r]:
                    lowest[r], best_epoch[r], better[r] = losses[r], epoch + 1, True
                running[r] = patience is None or epoch + 1 - best_epoch[r] < patience
            for name, kept in best.items():
                kept[better] = self.weights[name].detach()[better]
            if not any(running):
                break
        return best

    def _train_epoch(self, epoch: int, running: list[bool], plateaus: list[Plateau]) -> None:
        rows, used = self._order(epoch)
        for step in range(max(self.steps)):
            active = [on and step < n for on, n in zip(running, self.steps, strict=True)]
            rates = [self._rate(epoch, step, r, plateaus[r]) for r in range(len(self.seeds))]
            with torch.enable_grad():
                loss, mean = self._loss(self.train, rows[:, step], used[:, step])
                is_active = torch.tensor(active)
                gradients = torch.autograd.grad(mean[is_active].sum(), [*self.weights.values()])
            for r in np.flatnonzero(~torch.isfinite(loss).numpy() & np.array(active)):
                self._check(float(loss[r]), epoch, "loss", int(r))
            self.optimiser.step(gradients, torch.tensor(rates), is_active)

    def _order(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Return rows (replica, step, batch) of the batches of an epoch, and 0 for padding."""
        shape = len(self.seeds), max(self.steps), self.width
        rows, used = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for r, (seed, total, steps) in enumerate(
            zip(self.seeds, self.train.sizes, self.steps, strict=True)
        ):
            order = np.random.default_rng([seed, epoch]).permutation(np.arange(total))
            ends = np.arange(steps + 1) * total // steps
            step = np.repeat(np.arange(steps), np.diff(ends))
            place = np.arange(total) - ends[step]
            rows[r, step, place], used[r, step, place] = order, 1
        return torch.from_numpy(rows), torch.from_numpy(used)

    def _rate(self, epoch: int, step: int, replica: int, plateau: Plateau) -> float:
        steps, settings = self.steps[replica], self.settings
        done = min(epoch * steps + step + 1, settings["epochs"] * steps)
        shape = factor(
            settings["schedule"], done / (settings["epochs"] * steps), settings["warmup"]
        )
        return float(settings["learning_rate"] * shape * plateau.factor)

    def _loss(self, events: _Set, rows: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
        """Return Σ_t λ_t Σ w ℓ of each replica, and divided by Σ w, (replica,) each."""
        inputs, batch, weights = events.take(rows, used)
        outputs = self._outputs({name: inputs[name] for name in self.inputs})
        sums = weights.new_zeros(len(weights))
        for term, scale in self.terms:
            losses = term(outputs, batch).view_as(weights)
            sums = sums + scale * (weights * losses).sum(1)
        total = weights.sum(1)
        return sums, sums / torch.where(total == 0, 1.0, total)

    def _outputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (replica · batch, outputs) from inputs (replica, batch, ...)."""

        def call(weights: dict[str, Tensor], inputs: dict[str, Tensor]) -> Tensor:
            output: Tensor = functional_call(self.template, weights, (), inputs)
            return output

        stacked: Tensor = vmap(call)(self.weights, inputs).flatten(0, 1)
        return dict(zip(self.heads, torch.split(stacked, [*self.heads.values()], -1), strict=True))

    @torch.no_grad()
    def _validate(self) -> list[float]:
        """Return the validation loss of each replica."""
        sizes = torch.tensor(self.validation.sizes)
        sums = torch.zeros(len(sizes), dtype=torch.float64)
        total = self.validation.weights.double().sum(1)
        width = max(1, _ROWS // len(sizes))
        for start in range(0, int(sizes.max()), width):
            rows = torch.arange(start, min(start + width, int(sizes.max())))
            rows = rows.expand(len(sizes), -1)
            used = (rows < sizes[:, None]).float()
            sums += self._loss(self.validation, rows, used)[0].double()
        found: list[float] = (sums / torch.where(total == 0, 1.0, total)).tolist()
        return found

    def _check(self, loss: float, epoch: int, what: str, replica: int) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"epoch {epoch + 1} of the training with seed {self.seeds[replica]}: the {what} is "
                f"{loss:g}; lower 'training.learning_rate' or check the inputs for extreme values"
            )
