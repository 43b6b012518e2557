"""Learning curves of a training, one row per epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from bunchtrain.errors import UserError
from bunchtrain.files import write_csv
from bunchtrain.training.module import Module


class History(Callback):
    """One row per epoch, in `history.csv` and in the loggers of the study."""

    def __init__(self, folder: Path, events: int) -> None:
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
        assert isinstance(module, Module)  # as passed to the trainer
        epoch = trainer.current_epoch + 1
        trained, validated = module.epoch_losses("train"), module.epoch_losses("validation")
        if not math.isfinite(validated["loss"]):
            raise UserError(
                f"epoch {epoch}: the validation loss is {validated['loss']:g}; "
                "lower 'training.learning_rate' or check the inputs for extreme values"
            )
        if module.settings["schedule"] == "plateau":
            module.plateau.update(validated["loss"])
        self.rows.append(self._row(epoch, trained, validated, module.learning_rate))
        if trainer.is_global_zero:
            write_csv(self.path, self.rows)
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
            "samples_per_second": self.events / self._trained,
        }
        by_split = {"train": trained, "validation": validated} if len(trained) > 1 else {}
        terms = {f"{s}_{name}": v for s, losses in by_split.items() for name, v in losses.items()}
        return row | terms


def rename_old_columns(row: Mapping[str, float]) -> dict[str, float]:
    """Return a row of release 0.1 with the names of today."""
    return {{"jets_per_second": "samples_per_second"}.get(k, k): v for k, v in row.items()}
