"""Progress of a training: a bar with its epochs on a terminal, one line an epoch in a log."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from bunchtrain.batch import Batch
from bunchtrain.training.history import History
from bunchtrain.training.progress_text import time_left


class Progress(Callback):
    """A bar over the steps of all epochs, and a line for each epoch with its losses.

    enabled  whether anything is shown; not in a process whose output nobody sees.
    """

    def __init__(self, history: History, enabled: bool) -> None:
        self.history, self.enabled = history, enabled
        self.console = Console(stderr=True)
        self.bar: Bar | None = None
        self._began, self._events, self._resumed, self._started = 0.0, 0, 0, 0.0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the bar."""
        self._started, self._resumed = time.perf_counter(), trainer.current_epoch
        self.enabled = self.enabled and trainer.is_global_zero
        if not (self.enabled and (self.console.is_terminal or self.console.is_jupyter)):
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
        self.bar.update(
            self.bar.task_ids[0],
            advance=1,
            description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            text=f"loss {float(outputs['loss']):.4g}  {rate:,.0f} events/s",
        )

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Print the losses of the epoch, and the time that the others will take at most."""
        if not self.enabled or not self.history.rows:
            return
        done, total = trainer.current_epoch + 1, int(trainer.max_epochs or 0)
        spent = time.perf_counter() - self._started
        left = spent / (done - self._resumed) * (total - done)
        row = self.history.rows[-1]
        self.console.print(
            f"  epoch {done}/{total}  training loss {row['train_loss']:.4g}  "
            f"validation loss {row['validation_loss']:.4g}  {time_left(left)}",
            highlight=False,
            soft_wrap=True,
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
