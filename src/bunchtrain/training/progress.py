"""Progress of a training by gradient, in the events of its stage."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from bunchtrain.batch import Batch
from bunchtrain.progress_events import is_due, report
from bunchtrain.training.history import History


class Progress(Callback):
    """Reports the losses of each epoch, and about once a second that of the last batch."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._began, self._events, self._steps = 0.0, 0, 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Report the epochs that a resumed training has done."""
        self._steps = int(trainer.num_training_batches)
        self._report(trainer, trainer.current_epoch * self._steps, trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Reset the count of events."""
        self._began, self._events = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, index: int
    ) -> None:
        """Report the loss of the batch, if it is time to: reading it waits for the device."""
        self._events += len(batch) * trainer.world_size
        if is_due():
            rate = self._events / (time.perf_counter() - self._began)
            step = trainer.current_epoch * self._steps + index + 1
            epoch = trainer.current_epoch + 1
            self._report(trainer, step, epoch, loss=float(outputs["loss"]), rate=rate)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Report the losses of the epoch."""
        if not self.history.rows:
            return
        row, epoch = self.history.rows[-1], trainer.current_epoch + 1
        losses = {"loss": row["train_loss"], "validation_loss": row["validation_loss"]}
        rate = row["samples_per_second"]
        self._report(trainer, epoch * self._steps, epoch, milestone=True, rate=rate, **losses)

    def _report(self, trainer: Trainer, step: int, epoch: int, **numbers: Any) -> None:
        epochs = int(trainer.max_epochs or 0)
        if trainer.is_global_zero:
            report(step, epochs * self._steps, text=f"epoch {epoch}/{epochs}", **numbers)
