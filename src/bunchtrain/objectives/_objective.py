"""What every objective promises: outputs and batch in, losses out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from bunchtrain.batch import Batch


@dataclass(frozen=True)
class TargetShape:
    """What a target is: its classes, or the names of its values."""

    name: str
    classes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class Objective(nn.Module):
    """One term of the loss, acting on the head named as its target."""

    def __init__(self, target: TargetShape) -> None:
        super().__init__()
        self.target = target

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that it needs from the network for this target; 0 for an additional term."""

    @abstractmethod
    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,), to be averaged with the weights, or one scalar term."""

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return what is written out for an event, name → (batch,), from (batch, outputs)."""
        return {}
