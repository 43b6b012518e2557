"""The curves of a training: one row an epoch."""

from __future__ import annotations

import csv
import io
import math
import time
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from bunchtrain.errors import UserError
from bunchtrain.files import write_text
from bunchtrain.training.module import Module


class History(Callback):
    """The curves: one row an epoch, in `history.csv` and in the loggers of the study."""

    def __init__(self, folder: Path, events: int) -> None:
        """Take the folder of the training and the number of training events."""
        self.path, self.events = folder / "history.csv", events
        self.rows: list[dict[str, float]] = []
        self._began = self._trained = 0.0

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop the clock of the training part."""
        self._trained = time.perf_counter() - self._began

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add the row of this epoch.

        Raises UserError if the validation loss is not finite.
        """
        assert isinstance(module, Module)  # what the trainer was given
        epoch = trainer.current_epoch + 1
        trained, validated = module.epoch_losses("train"), module.epoch_losses("validation")
        if not math.isfinite(validated["loss"]):
            raise UserError(
                f"epoch {epoch}: the validation loss is {validated['loss']:g}; "
                "lower 'training.learning_rate' or look for extreme values in the inputs"
            )
        if module.settings["schedule"] == "plateau":
            module.plateau.update(validated["loss"])
        self.rows.append(self._row(epoch, trained, validated, module.learning_rate))
        if trainer.is_global_zero:
            write_text(self.path, as_csv(self.rows))
            for logger in trainer.loggers:
                logger.log_metrics(self.rows[-1], step=epoch)

    def _row(
        self, epoch: int, trained: dict[str, float], validated: dict[str, float], rate: float
    ) -> dict[str, float]:
        row = {
            "epoch": epoch,
            "train_loss": trained.pop("loss"),
            "validation_loss": validated.pop("loss"),
            "learning_rate": rate,
            "seconds": time.perf_counter() - self._began,
            "jets_per_second": self.events / self._trained,
        }
        several = {"train": trained, "validation": validated} if len(trained) > 1 else {}
        terms = {f"{s}_{name}": v for s, losses in several.items() for name, v in losses.items()}
        return row | terms


def as_csv(rows: list[dict[str, float]]) -> str:
    """Return the rows as CSV text, with their full precision."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
