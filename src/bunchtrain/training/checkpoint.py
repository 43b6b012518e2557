"""The checkpoint: all that is needed to go on after an interruption, to the same weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from bunchtrain.methods.tensor_files import read_tensors, write_tensors
from bunchtrain.training.best import Best
from bunchtrain.training.history import History
from bunchtrain.training.module import Module
from bunchtrain.training.schedules import Plateau


class Checkpoint(Callback):
    """Write all that is needed to go on, at the end of each epoch, and go on from it."""

    def __init__(self, folder: Path, history: History, best: Best, resume: bool) -> None:
        """Take the folder of the training and the callbacks whose state is kept."""
        self.path, self.history, self.best = folder / "checkpoint.pt", history, best
        self.resume = resume and self.path.is_file()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Write the checkpoint."""
        assert isinstance(module, Module)  # what the trainer was given
        if not trainer.is_global_zero:
            return
        state = {
            "epoch": trainer.current_epoch + 1,
            "module": module.state_dict(),
            "optimiser": trainer.optimizers[0].state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "plateau": asdict(module.plateau),
            "rows": self.history.rows,
            "best": {k: getattr(self.best, k) for k in ("losses", "epochs", "weights")},
        }
        write_tensors(self.path, state)

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Go on at the end of the last whole epoch."""
        assert isinstance(module, Module)  # what the trainer was given
        if not self.resume:
            return
        state = read_tensors(self.path)
        module.load_state_dict(state["module"])
        module.plateau = Plateau(**state["plateau"])
        trainer.optimizers[0].load_state_dict(state["optimiser"])
        trainer.precision_plugin.load_state_dict(state["precision"])
        self.history.rows = state["rows"]
        for name, value in state["best"].items():
            setattr(self.best, name, value)
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.ready = progress.started = progress.processed = progress.completed = state["epoch"]
        trainer.should_stop = self.best.is_over
