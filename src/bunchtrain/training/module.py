"""The Lightning module: the loss of all workers together, the optimiser and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule, seed_everything
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, UserError
from bunchtrain.heads._loss import Loss
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.methods.weighted_sum import WeightedSums, mean_of_members, weighted_sums
from bunchtrain.training.schedules import Plateau, factor
from bunchtrain.training.seeds import mixed

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
}


class Module(LightningModule):
    """A network with its loss L = Σ_t λ_t Σ_i w_i ℓ_ti / Σ_i w_i, i over the events of all workers.

    Data-parallel training averages the gradients of W workers, so each of them differentiates
    W Σ_own w ℓ / Σ_all w and the average is the gradient of L. A model that has `penalty(events)`,
    a number that depends on its weights alone and on the events of the training set, adds it to L;
    one that has `anneal(progress)` is told before each step how much of the training is done. Of an
    ensemble that is trained together, L is the sum of the members' losses, and their mean is shown.
    """

    def __init__(
        self,
        task: Task,
        network: Network,
        terms: list[tuple[Loss, float]],
        steps: int,
        events: int,
    ) -> None:
        """Take the network, the terms of the loss, the steps in an epoch and its events."""
        super().__init__()
        self.settings, self.seed, self.steps, self.events = task.settings, task.seed, steps, events
        self.network = network
        self.objectives = nn.ModuleList(objective for objective, _ in terms)
        self.factors = [weight for _, weight in terms]
        self.plateau = Plateau()
        self.sums: dict[str, WeightedSums | None] = {"train": None, "validation": None}

    def loss_sums(self, batch: Batch) -> WeightedSums:
        """Return Σ w ℓ and Σ w over this worker's share of a batch, of an ensemble the means."""
        terms: list[Any] = list(zip(self.objectives, self.factors, strict=True))
        members = self.network.members(batch.inputs)
        return mean_of_members([weighted_sums(terms, outputs, batch) for outputs in members])

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return this worker's part of the loss.

        Raises DataError if a batch has no events or weights that sum to nothing, UserError if the
        loss is not finite.
        """
        self._check_share(batch, number)
        sums = self.loss_sums(batch)
        shared = self._over_workers(sums)
        self._check_loss(shared, number)
        self._add("train", shared)
        factor = self.network.trained_together * self.trainer.world_size / shared.weight
        return sums.total * factor + self._penalty()

    def _penalty(self) -> Tensor | float:
        model: Any = self.network.model
        return model.penalty(self.events) if hasattr(model, "penalty") else 0.0

    def validation_step(self, batch: Batch, number: int) -> None:
        """Add a batch to the loss of the validation set."""
        if len(batch):
            self._add("validation", self.loss_sums(batch))

    def _add(self, split: str, sums: WeightedSums) -> None:
        detached = {name: value.detach().double() for name, value in sums.losses.items()}
        new = WeightedSums(detached, sums.total.detach().double(), sums.weight.double())
        old = self.sums[split]
        self.sums[split] = new if old is None else old + new

    def _over_workers(self, sums: WeightedSums) -> WeightedSums:
        values = torch.stack([*sums.losses.values(), sums.total, sums.weight]).detach()
        if self.trainer.world_size > 1:
            values = self.trainer.strategy.reduce(values, reduce_op="sum")
        *losses, total, weight = values.unbind()
        return WeightedSums(dict(zip(sums.losses, losses, strict=True)), total, weight)

    def epoch_losses(self, split: str) -> dict[str, float]:
        """Return the loss of the epoch as "loss", its terms by name, and begin anew."""
        sums, self.sums[split] = self.sums[split], None
        if sums is None:
            raise DataError(f"the {split} set has no usable event; change 'split' or 'invalid'")
        shared = self._over_workers(sums) if split == "validation" else sums
        loss, terms = shared.mean()
        return {"loss": float(loss), **{name: float(value) for name, value in terms.items()}}

    def _check_share(self, batch: Batch, number: int) -> None:
        if not len(batch):
            raise DataError(
                f"epoch {self.current_epoch + 1}, batch {number + 1}: no event is left for worker "
                f"{self.trainer.global_rank + 1} of {self.trainer.world_size}; raise "
                "'training.batch_size' or use fewer workers"
            )

    def _check_loss(self, sums: WeightedSums, number: int) -> None:
        where = f"epoch {self.current_epoch + 1}, batch {number + 1}"
        if not sums.weight > 0:
            raise DataError(
                f"{where}: the event weights sum to {float(sums.weight):g}; raise "
                "'training.batch_size' or set 'weights.negative' to absolute or drop"
            )
        if not torch.isfinite(sums.total):
            raise UserError(
                f"{where}: the loss is {float(sums.total):g}; lower 'training.learning_rate' (now "
                f"{self.settings['learning_rate']:g}), set 'training.gradient_clip' or look for "
                "extreme values in the inputs"
            )

    def on_train_epoch_start(self) -> None:
        """Seed everything random from seed, epoch and worker, so that an epoch can be repeated."""
        seed_everything(mixed(self.seed, self.current_epoch, self.global_rank), verbose=False)

    def on_train_batch_start(self, batch: Batch, number: int) -> None:
        """Set the learning rate of this step, and tell the model of the progress."""
        done = self.current_epoch * self.steps + number
        progress = (done + 1) / (self.settings["epochs"] * self.steps)
        model: Any = self.network.model
        if hasattr(model, "anneal"):
            model.anneal(progress)
        shape = factor(self.settings["schedule"], progress, self.settings["warmup"])
        for group in self._groups():
            group["lr"] = self.settings["learning_rate"] * shape * self.plateau.factor

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return float(self._groups()[0]["lr"])

    def _groups(self) -> list[dict[str, Any]]:
        optimiser: Any = self.optimizers(use_pl_optimizer=False)
        groups: list[dict[str, Any]] = optimiser.param_groups
        return groups

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser of the study."""
        kind = self.settings["optimiser"]
        options: dict[str, Any] = {"momentum": 0.9} if kind == "sgd" else {}
        return _OPTIMISERS[kind](
            (p for p in self.parameters() if p.requires_grad),
            lr=self.settings["learning_rate"],
            weight_decay=self.settings["weight_decay"],
            **options,
        )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
        """Return the batch on the worker's device."""
        return batch.to(device)


def parameters(network: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(math.prod(p.shape) for p in network.parameters() if p.requires_grad)
