"""Networks whose bits cost: their ranges after training, and the front that a training passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from bunchtrain.files import write_text
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.tensor_files import read_tensors, write_tensors
from bunchtrain.training.data import Data
from bunchtrain.training.history import History, as_csv
from bunchtrain.training.module import Module


def calibrate_ranges(network: Network, data: Data) -> None:
    """Let a model that has `calibrate` take its ranges from the whole training set."""
    model: Any = network.model
    if not hasattr(model, "calibrate"):
        return
    whole = data
    if data.workers > 1:
        whole = Data(data.task)
        whole.load()
    network.cpu()

    def show_training_set() -> None:
        for batch in whole.batches("train", None):
            network(batch.inputs)

    model.calibrate(show_training_set)


def has_front(model: nn.Module) -> bool:
    """Tell whether a model's bit operations change while it trains."""
    return bool(getattr(model, "traces_front", False))


class Front(Callback):
    """Keep the networks that no other epoch beats in both validation loss and EBOPs.

    `front.csv` has a row for each; `front/<epoch>.pt` holds its weights.
    """

    def __init__(self, folder: Path, history: History, resume: bool) -> None:
        """Take the folder of the training, its curves, and whether earlier rows count."""
        self.path, self.history = folder, history
        self.rows: list[dict[str, float]] = []
        if resume and (folder / "front.pt").is_file():
            self.rows = read_tensors(folder / "front.pt")["rows"]

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add this epoch if none beats it, and drop those that it beats."""
        assert isinstance(module, Module)  # what the trainer was given
        model: Any = module.network.model
        if not (has_front(model) and trainer.is_global_zero):
            return
        row = {
            "epoch": self.history.rows[-1]["epoch"],
            "validation_loss": self.history.rows[-1]["validation_loss"],
            "bit_operations": float(model.bit_operations().detach()),
        }
        if any(_beats(other, row) for other in self.rows):
            return
        for beaten in [other for other in self.rows if _beats(row, other)]:
            self._file(beaten).unlink(missing_ok=True)
            self.rows.remove(beaten)
        self.rows.append(row)
        state = module.network.state_dict()
        write_tensors(self._file(row), {k: v.detach().cpu() for k, v in state.items()})
        write_tensors(self.path / "front.pt", {"rows": self.rows})
        write_text(self.path / "front.csv", as_csv(self.rows))

    def _file(self, row: dict[str, float]) -> Path:
        return self.path / "front" / f"{int(row['epoch']):04d}.pt"


def _beats(one: dict[str, float], other: dict[str, float]) -> bool:
    """Tell whether `one` is at least as good as `other` in both."""
    return all(one[key] <= other[key] for key in ("validation_loss", "bit_operations"))
