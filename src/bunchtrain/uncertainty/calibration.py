"""What every calibration promises: a change of scores, fitted on the validation set."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from bunchtrain.heads._loss import TargetShape

#: Score → its values, (events,) each; deviations may be (draw, events).
Scores = dict[str, Tensor]


class Calibration(ABC):
    """A map from the scores of one target to better ones, or to more of them.

    numbers  what was fitted, by name; kept in the trained_model.
    """

    def __init__(self, target: TargetShape) -> None:
        self.target = target
        self.numbers: dict[str, list[float]] = {}

    @abstractmethod
    def fit(self, scores: Scores, truth: Tensor, weight: Tensor) -> None:
        """Fit on the validation set.

        Args:
            scores: Of the validation set, (events,) each.
            truth: (events,) class numbers, or (events, value).
            weight: (events,).
        """

    @abstractmethod
    def apply(self, scores: Scores) -> Scores:
        """Return calibrated scores, and what comes with them."""


def deviations(scores: Scores, value: str) -> Tensor:
    """Return the predicted σ of a value, (events,), or ones where none is predicted."""
    return scores.get(f"{value}_sigma", torch.ones_like(scores[value]))
