"""Early stopping: the best epoch is kept, and waited for."""

from __future__ import annotations

import math

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from bunchtrain.training.history import History
from bunchtrain.training.module import Module
from bunchtrain.uncertainty.posteriors.deep_ensemble import keep_member


class Best(Callback):
    """Keep the weights of the epoch with the least validation loss; stop when none comes.

    Each member of an ensemble has its own best epoch, as if it had been trained alone. Epochs at
    whose end the model or an objective says that it is not `settled` are not compared; the last of
    them is kept if no other follows.
    """

    def __init__(self, history: History, patience: int | None) -> None:
        """Take the curves and the number of epochs to wait, None for no early stopping."""
        self.history, self.patience = history, patience
        self.losses: list[float] = []
        self.epochs: list[int] = []
        self.weights = dict[str, Tensor]()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Compare this epoch with the best one."""
        assert isinstance(module, Module)  # what the trainer was given
        losses = _member_losses(self.history.rows[-1], module.network.trained_together)
        if not self.losses:
            self.losses, self.epochs = [math.inf] * len(losses), [0] * len(losses)
        if not all(getattr(o, "settled", True) for o in (module.network.model, *module.objectives)):
            self.epochs = [len(self.history.rows)] * len(losses)
            self._keep(module, list(range(len(losses))))
            return
        better = [
            k for k, loss in enumerate(losses) if loss < self.losses[k] and not self._is_late(k)
        ]
        for member in better:
            self.losses[member] = losses[member]
            self.epochs[member] = len(self.history.rows)
        self._keep(module, better)
        trainer.should_stop = trainer.should_stop or self.is_over

    def _keep(self, module: Module, better: list[int]) -> None:
        if not better:
            return
        state = {name: value.detach().cpu() for name, value in module.network.state_dict().items()}
        if len(better) == len(self.losses):
            self.weights = {name: value.clone() for name, value in state.items()}
            return
        for member in better:
            keep_member(self.weights, state, member)

    @property
    def epoch(self) -> int:
        """The best epoch, of an ensemble the last of its members' best ones."""
        return max(self.epochs, default=0)

    def _is_late(self, member: int) -> bool:
        waited = len(self.history.rows) - 1 - self.epochs[member]
        return self.patience is not None and waited >= self.patience

    @property
    def is_over(self) -> bool:
        """True when the patience with every member is at its end."""
        if self.patience is None or not self.epochs:
            return False
        return len(self.history.rows) - max(self.epochs) >= self.patience


def _member_losses(row: dict[str, float], members: int) -> list[float]:
    if members == 1:
        return [row["validation_loss"]]
    return [row[f"validation_member_{member}"] for member in range(members)]
