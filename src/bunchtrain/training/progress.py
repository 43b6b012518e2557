"""Progress bar of a training in a terminal: epoch, loss and events per second."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from bunchtrain.batch import Batch
from bunchtrain.training.history import History


class Progress(Callback):
    """A bar over the steps of all epochs; disabled if standard error is not a terminal."""

    def __init__(self, history: History, enabled: bool) -> None:
        self.history = history
        self.console = Console(stderr=True, markup=False)
        self.enabled = enabled and (self.console.is_terminal or self.console.is_jupyter)
        self.bar: Bar | None = None
        self._began, self._events = 0.0, 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the bar."""
        if not (self.enabled and trainer.is_global_zero):
            return
        columns = ("[progress.description]{task.description}", "{task.fields[text]}")
        epoch, losses = map(TextColumn, columns)
        self.bar = Bar(epoch, BarColumn(), losses, TimeRemainingColumn(), console=self.console)
        total = int(trainer.num_training_batches) * int(trainer.max_epochs or 0)
        done = int(trainer.num_training_batches) * trainer.current_epoch
        self.bar.add_task("", total=total, completed=done, text="")
        self.bar.start()

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Reset the count of events."""
        self._began, self._events = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, index: int
    ) -> None:
        """Update the bar."""
        if self.bar is None:
            return
        self._events += len(batch) * trainer.world_size
        rate = self._events / (time.perf_counter() - self._began)
        loss, rows = float(outputs["loss"]), self.history.rows
        validation = f"  validation {rows[-1]['validation_loss']:.4f}" if rows else ""
        self.bar.update(
            self.bar.task_ids[0],
            advance=1,
            description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            text=f"loss {loss:.4f}{validation}  {rate:,.0f} events/s",
        )

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop the bar."""
        self._stop()

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Stop the bar, which restores the terminal."""
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
