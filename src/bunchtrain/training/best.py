"""Early stopping: the best epoch is kept, and waited for."""

from __future__ import annotations

import math

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from bunchtrain.training.history import History
from bunchtrain.training.module import Module


class Best(Callback):
    """Keep the weights of the epoch with the least validation loss; stop when none comes."""

    def __init__(self, history: History, patience: int | None) -> None:
        """Take the curves and the number of epochs to wait, None for no early stopping."""
        self.history, self.patience = history, patience
        self.loss, self.epoch, self.weights = math.inf, 0, dict[str, Tensor]()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Compare this epoch with the best one."""
        row = self.history.rows[-1]
        if row["validation_loss"] < self.loss:
            self.loss, self.epoch = row["validation_loss"], int(row["epoch"])
            assert isinstance(module, Module)  # what the trainer was given
            state = module.network.state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}
        trainer.should_stop = trainer.should_stop or self.is_over

    @property
    def is_over(self) -> bool:
        """True when the patience is at its end."""
        return self.patience is not None and len(self.history.rows) - self.epoch >= self.patience
