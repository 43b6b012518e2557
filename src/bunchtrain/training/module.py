"""Lightning module: the loss over all workers, the optimiser and the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from pytorch_lightning import LightningModule, seed_everything
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, UserError
from bunchtrain.heads._loss import Loss
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.protocols import AddsNats, Anneals, HasWeightPenalty
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task, derive_seed
from bunchtrain.methods.weighted_sum import WeightedSums
from bunchtrain.training.freezing import evaluate_frozen, layer_factors, set_trained
from bunchtrain.training.game import Game
from bunchtrain.training.schedules import Plateau, factor

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
}

#: Loss whose distribution has a width to be fitted → the factor on ⟨ℓ⟩/V in the loss per nat.
WIDTH_FREE = {"mean_squared_error": 2.0, "mean_absolute_error": 1.0}
#: Training steps over which the width is averaged.
WIDTH_STEPS = 50


class Module(LightningModule):
    """A network with its loss L = Σ_t λ_t Σ_i w_i ℓ_ti / Σ_i w_i, i over the events of all workers.

    Data-parallel training averages the gradients of W workers, so each of them differentiates
    W Σ_own w ℓ / Σ_all w and the average is the gradient of L. The penalty of a model on its
    weights is added to L; a model with a schedule is annealed before each step. For an ensemble
    that is trained together, L is the sum of the members' losses, and their mean is reported.
    """

    mean_loss: Tensor

    def __init__(
        self,
        task: Task,
        network: Network,
        terms: list[tuple[Loss, float]],
        steps: int,
        events: int,
        frozen: Collection[str] = (),
        workers: int = 1,
    ) -> None:
        super().__init__()
        self.settings, self.seed, self.steps, self.events = task.settings, task.seed, steps, events
        self.network = network
        self.terms = terms
        modules = {str(k): loss for k, (loss, _) in enumerate(terms) if isinstance(loss, nn.Module)}
        self.losses = nn.ModuleDict(modules)
        self.plateau = Plateau()
        parts = [network.model, *(loss for loss, _ in terms)]
        self.game = Game(parts, task.settings["learning_rate"], self._sum_over_workers)
        if self._fits_width:
            # Of a constant, in standard deviations of the values.
            self.register_buffer("mean_loss", torch.ones(()))
        self.sums: dict[str, WeightedSums | None] = {"train": None, "validation": None}
        self.frozen = set(frozen)
        # Workers reduce the gradients of the parameters that require one at the beginning.
        self.drops_gradients = workers > 1 and task.settings.get("unfreeze_after") is not None
        set_trained(network, frozen, self.drops_gradients)
        if not any(p.requires_grad for p in network.parameters()):
            # An optimiser and its loss need a parameter, also while all of the network is frozen.
            self.unused = nn.Parameter(torch.zeros(()))

    @property
    def _fits_width(self) -> bool:
        """Whether the loss is a −log likelihood but for the width of its distribution."""
        is_width_free = [loss.name in WIDTH_FREE for loss, _ in self.terms]
        return isinstance(self.network.model, AddsNats) and is_width_free == [True]

    def _set_width(self, mean: Tensor) -> None:
        """Set the loss per nat from a running mean of the loss.

        For V values the −log likelihood is V ℓ/(2 s²) of a Gaussian with s² = ⟨ℓ⟩, where ℓ is the
        mean square, and V ℓ/s of a Laplace distribution with s = ⟨ℓ⟩, where it is the mean
        absolute error.
        """
        assert isinstance(self.network.model, AddsNats)  # as `_fits_width`
        self.mean_loss.lerp_(mean.to(self.mean_loss), 1 / WIDTH_STEPS)
        loss, weight = self.terms[0]
        self.network.model.loss_per_nat = (
            WIDTH_FREE[loss.name] * self.mean_loss * weight / len(loss.target.values)
        )

    def loss_sums(self, batch: Batch) -> WeightedSums:
        """Return Σ w ℓ and Σ w over this worker's share of a batch, for an ensemble the means.

        In training the opponents of a game are trained before, on the outputs of this step.
        """
        before = self.game.train if self.training and self.game.parts else None
        return self.network.loss_sums(self.terms, batch, before)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return this worker's part of the loss.

        Raises DataError if a batch has no events or no weight, UserError if the loss is not finite.
        """
        self._check_share(batch, index)
        sums = self.loss_sums(batch)
        shared = self._over_workers(sums)
        self._check_loss(shared, index)
        self._add("train", shared)
        factor = self.network.ensemble_size * self.trainer.world_size / shared.weight
        model, loss = self.network.model, sums.total * factor
        if self._fits_width:
            self._set_width(next(iter(shared.losses.values())) / shared.weight)
        if isinstance(model, HasWeightPenalty):
            loss = loss + model.weight_penalty(self.events)
        return loss if loss.requires_grad else loss + 0 * self.unused

    def validation_step(self, batch: Batch, index: int) -> None:
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
        *losses, total, weight = self._sum_over_workers(values).unbind()
        return WeightedSums(dict(zip(sums.losses, losses, strict=True)), total, weight)

    def _sum_over_workers(self, values: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return values
        return torch.as_tensor(self.trainer.strategy.reduce(values, reduce_op="sum"))

    def epoch_losses(self, split: str) -> dict[str, float]:
        """Return the loss of the epoch as "loss" and its terms by name; reset the sums."""
        sums, self.sums[split] = self.sums[split], None
        if sums is None:
            raise DataError(f"the {split} set has no usable event; change 'split' or 'invalid'")
        shared = self._over_workers(sums) if split == "validation" else sums
        loss, terms = shared.mean()
        return {"loss": float(loss), **{name: float(value) for name, value in terms.items()}}

    def _check_share(self, batch: Batch, index: int) -> None:
        if not len(batch):
            raise DataError(
                f"epoch {self.current_epoch + 1}, batch {index + 1}: no event is left for worker "
                f"{self.trainer.global_rank + 1} of {self.trainer.world_size}; raise "
                "'training.batch_size' or use fewer workers"
            )

    def _check_loss(self, sums: WeightedSums, index: int) -> None:
        where = f"epoch {self.current_epoch + 1}, batch {index + 1}"
        if not sums.weight > 0:
            raise DataError(
                f"{where}: the event weights sum to {float(sums.weight):g}; raise "
                "'training.batch_size' or set 'weights.negative' to absolute or drop"
            )
        if not torch.isfinite(sums.total):
            raise UserError(
                f"{where}: the loss is {float(sums.total):g}; lower 'training.learning_rate' (now "
                f"{self.settings['learning_rate']:g}), set 'training.gradient_clip' or check "
                "the inputs for extreme values"
            )

    def on_train_epoch_start(self) -> None:
        """Set the random seeds from seed, epoch and worker, so that an epoch can be repeated.

        Parameters are trained from their epoch on, and frozen parts are evaluated.
        """
        self.end_freezing(self.current_epoch)
        evaluate_frozen(self.network, self.frozen)
        seed_everything(derive_seed(self.seed, self.current_epoch, self.global_rank), verbose=False)

    def on_after_backward(self) -> None:
        """Drop the gradients of frozen parameters that all workers have computed."""
        if self.drops_gradients:
            parameters = dict(self.network.named_parameters())
            for name in self.frozen:
                parameters[name].grad = None

    def end_freezing(self, epochs: int) -> None:
        """Train all parameters after so many epochs, if the study sets it."""
        after = self.settings.get("unfreeze_after")
        if self.frozen and after is not None and epochs >= after:
            set_trained(self.network, self.frozen, True)
            self.frozen = set()

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Set the learning rate of this step, and the schedule of the model."""
        done = self.current_epoch * self.steps + index
        progress = (done + 1) / (self.settings["epochs"] * self.steps)
        if isinstance(self.network.model, Anneals):
            self.network.model.anneal(progress)
        shape = factor(self.settings["schedule"], progress, self.settings["warmup"])
        shape *= self.plateau.factor
        self.game.set_schedule(shape)
        for group in self._groups():
            group["lr"] = self.settings["learning_rate"] * shape * group.get("factor", 1.0)

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        """Clamp the weights of the network to `weight_clip`."""
        if (limit := self.settings.get("weight_clip")) is not None:
            for weight in self.network.model.parameters():
                weight.clamp_(-limit, limit)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step, without a factor by depth."""
        group = self._groups()[0]
        return float(group["lr"]) / float(group.get("factor", 1.0))

    def _groups(self) -> list[dict[str, Any]]:
        optimiser: Any = self.optimizers(use_pl_optimizer=False)
        groups: list[dict[str, Any]] = optimiser.param_groups
        return groups

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser of the study, for all parameters but those of opponents.

        Parameters that are frozen until an epoch are among them, and have no state before it.
        """
        kind = self.settings["optimiser"]
        options: dict[str, Any] = {"momentum": 0.9} if kind == "sgd" else {}
        if kind != "sgd" and isinstance(self.network, MethodNetwork):
            options["betas"] = self.network.method.betas
        return _OPTIMISERS[kind](
            self._parameter_groups(),
            lr=self.settings["learning_rate"],
            weight_decay=self.settings["weight_decay"],
            **options,
        )

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters by their factors on the learning rate."""
        waits = self.settings.get("unfreeze_after") is not None
        later = {f"network.{name}" for name in self.frozen} if waits else set()
        chosen = {n: p for n, p in self.named_parameters() if p.requires_grad or n in later}
        decay = self.settings.get("layer_decay")
        if decay is None:
            return [{"params": list(chosen.values())}]
        factors = layer_factors(self.network, decay)
        groups: dict[float, list[Tensor]] = {}
        for name, parameter in chosen.items():
            factor = factors.get(name.removeprefix("network."), 1.0)
            groups.setdefault(factor, []).append(parameter)
        return [{"params": params, "factor": factor} for factor, params in groups.items()]

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
        """Return the batch on the worker's device."""
        return batch.tensors(device)
