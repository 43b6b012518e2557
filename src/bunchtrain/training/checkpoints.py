"""Best epoch with early stopping, and the checkpoint from which a training is resumed."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from bunchtrain.files import damaged
from bunchtrain.methods.protocols import HasComparableEpochs
from bunchtrain.methods.tensor_files import load_state, read_tensors, write_tensors
from bunchtrain.training.history import History, rename_old_columns
from bunchtrain.training.module import Module
from bunchtrain.training.schedules import Plateau
from bunchtrain.training.train import CHECKPOINTS
from bunchtrain.uncertainty.posteriors.deep_ensemble import copy_member


class BestEpoch(Callback):
    """Keep the weights of the epoch with the smallest validation loss; stop if none follows.

    Each member of an ensemble has its own best epoch, as in a separate training. Epochs after which
    the model or a loss is not comparable across epochs are not compared; the last of them is kept
    if no other follows.
    """

    def __init__(self, history: History, patience: int | None) -> None:
        self.history, self.patience = history, patience
        self.losses: list[float] = []
        self.epochs: list[int] = []
        self.weights = dict[str, Tensor]()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Compare this epoch with the best one."""
        assert isinstance(module, Module)  # as passed to the trainer
        losses = _member_losses(self.history.rows[-1], module.network.ensemble_size)
        if not self.losses:
            self.losses, self.epochs = [math.inf] * len(losses), [0] * len(losses)
        scheduled = [
            part
            for part in (module.network.model, *(loss for loss, _ in module.terms))
            if isinstance(part, HasComparableEpochs) and not part.is_comparable_across_epochs
        ]
        if scheduled:
            self.epochs = [len(self.history.rows)] * len(losses)
            self._store(module, list(range(len(losses))))
            return
        better = [
            k for k, loss in enumerate(losses) if loss < self.losses[k] and not self._is_late(k)
        ]
        for member in better:
            self.losses[member] = losses[member]
            self.epochs[member] = len(self.history.rows)
        self._store(module, better)
        trainer.should_stop = trainer.should_stop or self.is_over

    def _store(self, module: Module, better: list[int]) -> None:
        if not better:
            return
        state = {name: value.detach().cpu() for name, value in module.network.state_dict().items()}
        if len(better) == len(self.losses):
            self.weights = {name: value.clone() for name, value in state.items()}
            return
        for member in better:
            copy_member(self.weights, state, member)

    @property
    def epoch(self) -> int:
        """The best epoch, of an ensemble the last of its members' best ones."""
        return max(self.epochs, default=0)

    def _is_late(self, member: int) -> bool:
        waited = len(self.history.rows) - 1 - self.epochs[member]
        return self.patience is not None and waited >= self.patience

    @property
    def is_over(self) -> bool:
        """Whether all members have exceeded the patience."""
        if self.patience is None or not self.epochs:
            return False
        return len(self.history.rows) - max(self.epochs) >= self.patience


def _member_losses(row: dict[str, float], members: int) -> list[float]:
    if members == 1:
        return [row["validation_loss"]]
    return [row[f"validation_member_{member}"] for member in range(members)]


class Checkpoint(Callback):
    """Write a checkpoint after each epoch; a training resumed from it has the same result."""

    def __init__(self, folder: Path, history: History, best: BestEpoch, resume: bool) -> None:
        self.path, self.history, self.best = folder / CHECKPOINTS[0], history, best
        written = [folder / name for name in CHECKPOINTS if (folder / name).is_file()]
        self.resumed = written[0] if resume and written else None

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Write the checkpoint."""
        assert isinstance(module, Module)  # as passed to the trainer
        if not trainer.is_global_zero:
            return
        best = self.best
        state = {
            "epoch": trainer.current_epoch + 1,
            "module": module.state_dict(),
            "optimiser": trainer.optimizers[0].state_dict(),
            "opponents": module.game.state(),
            "precision": trainer.precision_plugin.state_dict(),
            "plateau": asdict(module.plateau),
            "rows": self.history.rows,
            "best": {"losses": best.losses, "epochs": best.epochs, "weights": best.weights},
        }
        write_tensors(self.path, state)

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Restore the state after the last complete epoch.

        Raises RunError, naming the file, if the checkpoint is damaged or of another training.
        """
        assert isinstance(module, Module)  # as passed to the trainer
        if self.resumed is None:
            return
        state = read_tensors(self.resumed)
        try:
            self._restore(trainer, module, state, self.resumed)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise damaged(self.resumed, f"{type(problem).__name__}: {problem}") from None

    def _restore(self, trainer: Trainer, module: Module, state: dict[str, Any], path: Path) -> None:
        best = self.best
        # Release 0.1 named the losses "objectives".
        weights = state["module"].items()
        weights = {name.replace("objectives.", "losses.", 1): value for name, value in weights}
        load_state(module, weights, path)
        module.plateau = Plateau(**state["plateau"])
        module.end_freezing(state["epoch"])
        load_state(trainer.optimizers[0], state["optimiser"], path)
        module.game.load_state(state.get("opponents", []))  # none in release 0.1
        trainer.precision_plugin.load_state_dict(state["precision"])
        self.history.rows = [rename_old_columns(row) for row in state["rows"]]
        best.losses, best.epochs, best.weights = (
            state["best"][key] for key in ("losses", "epochs", "weights")
        )
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.ready = progress.started = progress.processed = progress.completed = state["epoch"]
        trainer.should_stop = best.is_over
