"""Base of the methods that own their loss: networks that are trained without targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import log, pi, prod
from typing import ClassVar

from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.methods.protocols import CONDITION
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity

#: Tensors with one row per event that a method can learn, in this order of preference.
LEARNT = ("table", "window", "image", "volume")


class Method(nn.Module, ABC):
    """A network with its own loss on the normalised tensors of a representation.

    sizes  tensor → size of one row, of the representation.

    Raises StudyError if the representation has no tensor that the method can learn.
    """

    #: The quantities of an event that it predicts.
    quantities: tuple[Quantity, ...] = ()
    #: Whether it can be conditional on the tensor `condition`.
    takes_condition: ClassVar[bool] = True
    #: Of its optimiser, if that is a kind of Adam.
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    def __init__(self, sizes: Mapping[str, Size]) -> None:
        super().__init__()
        found = [name for name in LEARNT if name in sizes]
        if not found:
            raise StudyError(
                f"method '{self.name}' learns one of the tensors {', '.join(LEARNT)}, and the "
                f"representation has {', '.join(sizes)}; choose the representation 'table' or "
                "'image'"
            )
        self.tensor = found[0]
        used = (self.tensor, CONDITION) if self.takes_condition else (self.tensor,)
        if unused := [name for name in sizes if name not in used]:
            raise StudyError(
                f"method '{self.name}' learns the tensor '{self.tensor}' and does not use "
                f"'{unused[0]}' of the representation; remove it"
            )
        size = sizes[self.tensor]
        self.shape = (size,) if isinstance(size, int) else tuple(size)
        condition = sizes.get(CONDITION, 0)
        self.condition = condition if isinstance(condition, int) else prod(condition)
        self.input_names = (self.tensor, CONDITION) if self.condition else (self.tensor,)

    @property
    def name(self) -> str:
        """Name in a study: that of the file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def features(self) -> int:
        """Count of values of one event."""
        return prod(self.shape)

    @abstractmethod
    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return term → loss of each event, (batch,), of normalised tensors; L is their sum."""

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor | None:
        """Return the losses (batch,) of the best prediction that is the same for all events.

        They are compared with the trained loss; None where no constant is defined.
        """
        return None

    @abstractmethod
    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the predicted quantities, (batch,) each, of normalised tensors."""


def gaussian_losses(values: Tensor) -> Tensor:
    """Return −log p, (batch,), of independent Gaussians with mean and width of (batch, value)."""
    std = values.std(0, correction=0).clamp(min=1e-6)
    z = (values - values.mean(0)) / std
    return (0.5 * (z.square() + log(2 * pi)) + std.log()).sum(1)
