"""Bases of the penalties: terms on the outputs of a head, and those that decorrelate a score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.heads._gather import gather_rows
from bunchtrain.heads._loss import Loss
from bunchtrain.parts.ranges import StepsOrZero
from bunchtrain.targets import Target


class Penalty(Loss, nn.Module):
    """A term on the outputs of a head: one value per event, or a scalar of the batch."""


class Decorrelation(Penalty):
    """A penalty on the dependence of the probability of one class on one column.

    against  column of which the score is to be independent.
    alone    training steps at the beginning without a gradient for the classifier.
    ramp     steps after these in which the gradient's strength increases to 1.
    classes  in each of which it is to be independent; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    steps: Tensor

    def __init__(
        self,
        target: Target,
        *,
        against: str,
        alone: StepsOrZero = 0,
        ramp: StepsOrZero = 0,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(target)
        self.require_classes()
        self.against = against
        self.classes = [self.find_class(c, "classes") for c in classes] if classes else None
        self.signal = self.find_class(score or target.classes[-1], "score")
        self.alone, self.ramp = alone, ramp
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def is_comparable_across_epochs(self) -> bool:
        """True once the strength is 1; before, the score may depend on the column."""
        return bool(self.steps >= self.alone + self.ramp)

    def strength(self) -> Tensor:
        """Return the factor on the gradient for the classifier at this step, from 0 to 1."""
        return ((self.steps - self.alone + 1) / (self.ramp + 1)).clamp(0, 1)

    def count_step(self) -> None:
        """Count a step of the training."""
        if self.training and torch.is_grad_enabled():
            self.steps += 1

    @property
    def spectators(self) -> tuple[str, ...]:
        """The column."""
        return (self.against,)

    def score(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the score of each event, (batch,) in double precision where the device has it."""
        output = to_double(outputs[self.target.name])
        if output.shape[1] == 1:  # one logit, for the second class
            return (output if self.signal == 1 else -output).squeeze(1).sigmoid()
        return output.softmax(1)[:, self.signal]

    def class_masks(self, index: Tensor) -> list[Tensor]:
        """Return the mask (batch,) of each of the `classes`, from class indices (batch,)."""
        if self.classes is None:
            return [torch.ones_like(index, dtype=torch.bool)]
        return [index == chosen for chosen in self.classes]


class BatchDecorrelation(Decorrelation):
    """A decorrelation computed from all events of the global batch, those of all workers.

    With several classes it is the mean over them. A class with fewer than two events in the batch,
    or with no weight, counts as 0.
    """

    is_batch_statistic: ClassVar[bool] = True

    @abstractmethod
    def statistic(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the term, a scalar, from score, column and weight, (events,) each."""

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the term, a scalar, whose gradient has the strength of this step."""
        score = self.score(outputs)
        weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
        others = (self.spectator(batch, self.against), weight, self.class_index(batch))
        rows = gather_rows(torch.stack([score, *(v.to(score) for v in others)], 1))
        score, value, weight, index = rows.unbind(1)
        masks = self.class_masks(index)
        usable = [m for m in masks if m.sum() > 1 and weight[m].sum() > 0]
        terms = [self.statistic(score[m], value[m], weight[m]) for m in usable]
        term = (sum(terms, 0 * score.sum()) / len(masks)).float()
        strength = self.strength()
        self.count_step()
        return strength * term + (1 - strength) * term.detach()


def to_double(values: Tensor) -> Tensor:
    """Return values in double precision, or in single on devices without it."""
    return values.float() if values.device.type == "mps" else values.double()
