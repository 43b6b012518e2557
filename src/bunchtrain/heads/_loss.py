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


class Loss(nn.Module):
    """One term of the loss, acting on the head named as its target."""

    def __init__(self, target: TargetShape) -> None:
        super().__init__()
        self.target = target

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that it needs from the network for this target; 0 for an additional term."""

    @property
    def spectators(self) -> tuple[str, ...]:
        """Columns that it looks at beside the outputs, found in `Batch.spectators`."""
        return ()

    @property
    def settled(self) -> bool:
        """Whether its value tells a better epoch from a worse one; a game must be under way."""
        return True

    @abstractmethod
    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,), to be averaged with the weights, or one scalar term."""

    def in_units(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Return shift and scale, (outputs,) each, that bring outputs of order 1 to the target's.

        A network learns log(E) and E in GeV equally well only if it need not learn their units.

        Args:
            mean: (value,) mean of each value over the training set.
            deviation: (value,) standard deviation.
        """
        return mean.new_zeros(self.outputs), mean.new_ones(self.outputs)

    def pool(self, draws: Tensor) -> Tensor:
        """Return the outputs (batch, outputs) that stand for an equal mixture of predictions.

        Args:
            draws: (draw, batch, outputs).
        """
        return draws.mean(0)

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """Return what is written out for an event, name → (batch,), from (batch, outputs)."""
        return {}
