"""Base of all terms of the loss, with access to the target and the spectators of a batch.

It needs no torch: models that are fit in one call evaluate some of the heads on arrays.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.targets import Assignment, Target

if TYPE_CHECKING:
    from torch import Tensor

#: What a target has → losses of it, in messages.
_SUITABLE = {
    "classes": "'cross_entropy'",
    "values": "a regression loss such as 'mean_squared_error'",
    "an assignment": "'assignment_cross_entropy'",
    "identifiers": "it in evaluations alone",
}


class Loss:
    """One term of the loss: a `Head`, which defines outputs of the network, or a `Penalty`.

    One with parameters or other modules derives from `torch.nn.Module` as well.

    target  whose outputs and labels it uses.
    """

    #: True if the value of an event depends on the other events of the batch.
    is_batch_statistic: ClassVar[bool] = False

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target

    def __call__(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return what `forward` does."""
        return self.forward(outputs, batch)

    @property
    def name(self) -> str:
        """Name in a study: that of the file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def spectators(self) -> tuple[str, ...]:
        """Columns of `Batch.spectators` that it reads."""
        return ()

    @property
    def is_comparable_across_epochs(self) -> bool:
        """Whether a smaller validation loss means a better epoch; False in adversarial training."""
        return True

    @property
    def has_parameters(self) -> bool:
        """Whether it has parameters that are trained."""
        return any(True for _ in getattr(self, "parameters", tuple)())

    @abstractmethod
    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,), to be averaged with the weights, or one scalar term.

        outputs  target → (batch, outputs).
        batch    targets, weights and spectators.
        """

    def class_index(self, batch: Batch) -> Any:
        """Return the class index of each event, (batch,) int64, in the type of the batch.

        Raises DataError if the batch has no such tensor for the target.
        """
        index = self._labels(batch)
        if _kind(index) != "int64" or index.ndim != 1:
            raise DataError(
                f"target '{self.target.name}' must be class indices (batch,) of int64, got shape "
                f"{tuple(index.shape)} of {index.dtype}"
            )
        return index

    def true_values(self, batch: Batch) -> Any:
        """Return the true values of each event, (batch, value) float32, in the type of the batch.

        Raises DataError if the batch has no such tensor for the target.
        """
        values, count = self._labels(batch), len(self.target.values)
        if "float" not in _kind(values) or values.ndim != 2 or values.shape[1] != count:
            raise DataError(
                f"target '{self.target.name}' must be floating-point values (batch, {count}), got "
                f"shape {tuple(values.shape)} of {values.dtype}"
            )
        return values.astype(np.float32) if isinstance(values, np.ndarray) else values.float()

    def _labels(self, batch: Batch) -> Any:
        name = self.target.name
        if name not in batch.targets:
            raise DataError(f"the batch has no target '{name}'; it has {list(batch.targets)}")
        return batch.targets[name]

    def spectator(self, batch: Batch, name: str) -> Tensor:
        """Return the values of a spectator column, (batch,).

        Raises DataError if the batch lacks it.
        """
        if name not in batch.spectators:
            raise DataError(f"the batch has no spectator '{name}'; it has {list(batch.spectators)}")
        values: Tensor = batch.spectators[name]
        return values

    def require_classes(self, count: int | None = None) -> None:
        """Raise StudyError if the target has no classes, or not this count of them."""
        target = self.target
        if not target.classes:
            raise self._other_target("classes")
        if count is not None and len(target.classes) != count:
            raise StudyError(
                f"loss '{self.name}' needs a target of {count} classes, and target "
                f"'{target.name}' has {len(target.classes)}; use 'cross_entropy'"
            )

    def require_values(self) -> None:
        """Raise StudyError if the target has no values."""
        if not self.target.values:
            raise self._other_target("values")

    def require_assignment(self) -> Assignment:
        """Return the assignment of the target; StudyError if it has none."""
        if self.target.assignment is None:
            raise self._other_target("an assignment")
        return self.target.assignment

    def _other_target(self, needed: str) -> StudyError:
        target = self.target
        return StudyError(
            f"loss '{self.name}' needs a target with {needed}, and target '{target.name}' has "
            f"{target.content}; use {_SUITABLE[target.content]}"
        )

    def require_between(self, option: str, value: float, low: float, high: float) -> None:
        """Raise StudyError if the value of an option is outside [low, high)."""
        if not low <= value < high:
            raise StudyError(
                f"loss '{self.name}': option '{option}' must be at least {low:g} and below "
                f"{high:g}, got {value:g}"
            )

    def find_class(self, name: str, option: str) -> int:
        """Return the index of a class named in an option; raises StudyError if there is none."""
        known = self.target.classes
        if name not in known:
            raise StudyError(
                f"loss '{self.name}': option '{option}' names '{name}', and target "
                f"'{self.target.name}' has no such class"
                + (nearest(name, known) or f" ({', '.join(known)})")
            )
        return known.index(name)


def _kind(values: Any) -> str:
    """Return the type of the numbers of an array or tensor, e.g. `float32`."""
    return str(values.dtype).removeprefix("torch.")
