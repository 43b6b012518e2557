"""What trees of all libraries share: events as arrays, refusals, importances."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, StudyError
from bunchtrain.networks.layers.decision_trees import DecisionTrees
from bunchtrain.networks.layers.fitted import Fitted
from bunchtrain.networks.layers.fitted import part_name as part_name

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss

#: Called after each round with its number, the number of rounds at most, and the losses.
Progress = Callable[[int, int, dict[str, float]], None]
#: One row a round: `training_loss` and, with validation events, `validation_loss`.
History = list[dict[str, float]]


@dataclass(frozen=True)
class Sample:
    """Events as a library of trees takes them.

    table   (events, feature) float32; NaN is a missing value.
    target  (events,) class numbers or values, or (events, value).
    weight  (events,).
    """

    table: NDArray[np.float32]
    target: NDArray[Any]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.table)


def quantile_levels(objective: Loss) -> tuple[float, ...]:
    """Return the levels of a quantile objective."""
    levels: Any = objective.levels
    return tuple(levels)


class Trees(Fitted):
    """Trees of any library.

    table    number of features.
    outputs  number of outputs.
    """

    importance: Tensor  # (feature,)

    def __init__(self, table: int, outputs: int) -> None:
        super().__init__(table, outputs)
        self.trees = DecisionTrees(outputs)
        self.register_buffer("importance", torch.zeros(table))

    @property
    def fitted(self) -> bool:
        """True once the trees are grown or loaded."""
        return len(self.trees.roots) > 0

    def feature_importance(self) -> Tensor:
        """Return the share of each feature in the gain of all cuts, (feature,), of sum 1.

        Raises RunError before the fit.
        """
        self.need_fit()
        return self.importance

    def need_fit(self) -> None:
        """Raise RunError before the fit."""
        if not self.fitted:
            raise RunError(f"the trees of model '{part_name(self)}' are not grown yet; fit them")

    def take_importance(self, gains: NDArray[Any]) -> None:
        """Keep these gains (feature,), scaled to sum 1."""
        share = gains / max(gains.sum(), np.finfo(float).tiny)
        self.importance = torch.as_tensor(share, dtype=torch.float32, device=self.importance.device)


def samples(batches: Iterable[Batch], objective: Loss) -> Iterator[Sample]:
    """Yield the batches that have events as arrays, the weights times those of the classes.

    Raises StudyError for negative weights.
    """
    for batch in batches:
        if len(batch) > 0:
            yield _sample(batch, objective)


def _sample(batch: Batch, objective: Loss) -> Sample:
    target = batch.targets[objective.target.name]
    weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
    if bool((weight < 0).any()):
        raise StudyError(
            "a model that is fitted at once takes no negative weights; set 'weights.negative' to "
            "'absolute' or 'drop'"
        )
    factors = getattr(objective, "factors", None)
    if factors is not None:
        weight = weight * factors.to(weight.device)[target]
    flat = target.squeeze(1) if target.ndim == 2 and target.shape[1] == 1 else target
    table = batch.inputs["table"].float()
    return Sample(table.numpy(force=True), flat.numpy(force=True), weight.numpy(force=True))


def whole(batches: Iterable[Batch], objective: Loss) -> Sample | None:
    """Return all events as one sample, or None if there are none."""
    parts = list(samples(batches, objective))
    if not parts:
        return None
    return Sample(
        np.concatenate([part.table for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def training_sample(batches: Iterable[Batch], objective: Loss) -> Sample:
    """Return all events for training as one sample.

    Raises DataError if there are none, or if a class has none.
    """
    sample = whole(batches, objective)
    if sample is None:
        raise DataError("the training set has no events; loosen 'select' or change 'split'")
    need_all_classes(objective, np.unique(sample.target).tolist())
    return sample


def need_all_classes(objective: Loss, seen: Collection[int]) -> None:
    """Raise DataError if a class of the target is not among those seen in training."""
    for number, name in enumerate(objective.target.classes):
        if number not in seen:
            raise DataError(
                f"the training set has no event of class '{name}' of target "
                f"'{objective.target.name}'; check its condition and 'select'"
            )


def need_one_number(objective: Loss, model: str) -> None:
    """Raise StudyError if the objective asks for more than one number that is no class."""
    if not objective.target.classes and objective.outputs > 1:
        raise StudyError(
            f"model '{model}' fits one number, and objective '{part_name(objective)}' on target "
            f"'{objective.target.name}' asks for {objective.outputs}; use 'boosted_trees'"
        )
