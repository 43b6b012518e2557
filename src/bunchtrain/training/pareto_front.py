"""Pareto front of validation loss and EBOPs over the epochs of one training."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from bunchtrain.files import read_json, write_csv, write_json
from bunchtrain.methods.protocols import RecordsParetoFront
from bunchtrain.methods.tensor_files import read_tensors, write_tensors
from bunchtrain.training.history import History
from bunchtrain.training.module import Module


class ParetoFront(Callback):
    """Keep the networks that no other epoch dominates in both validation loss and EBOPs.

    `front.csv` has a row for each; `front/<epoch>.safetensors` contains its weights.
    """

    def __init__(self, folder: Path, history: History, resume: bool) -> None:
        self.path, self.history = folder, history
        self.rows: list[dict[str, float]] = []
        if resume and (folder / "front.json").is_file():
            self.rows = read_json(folder / "front.json", list[dict[str, float]])
        elif resume and (folder / "front.pt").is_file():  # of release 0.1
            self.rows = read_tensors(folder / "front.pt")["rows"]

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add this epoch if none dominates it, and remove those that it dominates."""
        assert isinstance(module, Module)  # as passed to the trainer
        model = module.network.model
        if not (isinstance(model, RecordsParetoFront) and model.records_pareto_front):
            return
        if not trainer.is_global_zero:
            return
        row = {
            "epoch": self.history.rows[-1]["epoch"],
            "validation_loss": self.history.rows[-1]["validation_loss"],
            "bit_operations": float(model.bit_operations().detach()),
        }
        if any(_dominates(other, row) for other in self.rows):
            return
        for dominated in [other for other in self.rows if _dominates(row, other)]:
            self._file(dominated).unlink(missing_ok=True)
            self.rows.remove(dominated)
        self.rows.append(row)
        state = module.network.state_dict()
        write_tensors(self._file(row), {k: v.detach().cpu() for k, v in state.items()})
        write_json(self.path / "front.json", self.rows)
        write_csv(self.path / "front.csv", self.rows)

    def _file(self, row: dict[str, float]) -> Path:
        return self.path / "front" / f"{int(row['epoch']):04d}.safetensors"


def _dominates(one: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether `one` is at least as good as `other` in both."""
    return all(one[key] <= other[key] for key in ("validation_loss", "bit_operations"))
