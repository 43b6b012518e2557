"""What objectives share: their target out of a batch, checked, and their names."""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._loss import Loss, TargetShape


def part_name(objective: Loss) -> str:
    """Return the name by which a study names an objective: that of its file."""
    return type(objective).__module__.rpartition(".")[2]


def need_classes(target: TargetShape, objective: str, number: int | None = None) -> None:
    """Raise StudyError if the target has no classes, or not this number of them."""
    if not target.classes:
        raise StudyError(
            f"objective '{objective}' needs a target with classes, and target '{target.name}' has "
            "values; use a regression loss as 'mean_squared_error'"
        )
    if number is not None and len(target.classes) != number:
        raise StudyError(
            f"objective '{objective}' needs a target of {number} classes, and target "
            f"'{target.name}' has {len(target.classes)}; use 'cross_entropy'"
        )


def need_values(target: TargetShape, objective: str) -> None:
    """Raise StudyError if the target has no values."""
    if not target.values:
        raise StudyError(
            f"objective '{objective}' needs a target with values, and target '{target.name}' has "
            "classes; use 'cross_entropy'"
        )


def need_between(value: float, low: float, high: float, objective: str, option: str) -> None:
    """Raise StudyError if an option is outside [low, high)."""
    if not low <= value < high:
        raise StudyError(
            f"objective '{objective}': option '{option}' must be at least {low:g} and below "
            f"{high:g}, got {value:g}"
        )


def class_numbers(batch: Batch, target: TargetShape) -> Tensor:
    """Return the class of each event, (batch,) int64.

    Raises DataError if the batch holds anything else for this target.
    """
    numbers = _held(batch, target)
    if numbers.dtype != torch.int64 or numbers.ndim != 1:
        raise DataError(
            f"target '{target.name}' must be class numbers (batch,) of int64, got shape "
            f"{tuple(numbers.shape)} of {numbers.dtype}"
        )
    return numbers


def values(batch: Batch, target: TargetShape) -> Tensor:
    """Return the values of each event, (batch, value) float32.

    Raises DataError if the batch holds anything else for this target.
    """
    held = _held(batch, target)
    if not held.is_floating_point() or held.ndim != 2 or held.shape[1] != len(target.values):
        raise DataError(
            f"target '{target.name}' must be floating-point values (batch, {len(target.values)}), "
            f"got shape {tuple(held.shape)} of {held.dtype}"
        )
    return held.float()


def _held(batch: Batch, target: TargetShape) -> Tensor:
    if target.name not in batch.targets:
        raise DataError(f"the batch has no target '{target.name}'; it has {list(batch.targets)}")
    return batch.targets[target.name]
