"""What terms share that keep a score independent of a column."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError, nearest
from bunchtrain.heads._gather import everywhere
from bunchtrain.heads._loss import Loss, TargetShape
from bunchtrain.heads._spectators import spectator
from bunchtrain.heads._targets import class_numbers, need_classes, part_name


class Decorrelation(Loss):
    """An additional term on the probability of one class and one column.

    against  column that the score shall not depend on.
    classes  in which it shall not, each on its own; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def __init__(
        self,
        target: TargetShape,
        *,
        against: str,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(target)
        need_classes(target, part_name(self))
        self.against = against
        self.classes = [self._number(c, "classes") for c in classes] if classes else None
        self.signal = self._number(score or target.classes[-1], "score")

    def _number(self, name: str, option: str) -> int:
        known = self.target.classes
        if name not in known:
            raise StudyError(
                f"objective '{part_name(self)}': option '{option}' names '{name}', and target "
                f"'{self.target.name}' has no such class"
                + (nearest(name, known) or f" ({', '.join(known)})")
            )
        return known.index(name)

    @property
    def outputs(self) -> int:
        """None: another objective of the target makes the score."""
        return 0

    @property
    def spectators(self) -> tuple[str, ...]:
        """The column."""
        return (self.against,)

    def probability(self, outputs: dict[str, Tensor]) -> Tensor:
        """Return the score of each event, (batch,) in double precision where the device has it."""
        output = wide(outputs[self.target.name])
        if output.shape[1] == 1:  # one logit, for the second class
            return (output if self.signal == 1 else -output).squeeze(1).sigmoid()
        return output.softmax(1)[:, self.signal]

    def column(self, batch: Batch) -> Tensor:
        """Return the values of the column, (batch,).

        Raises DataError if the batch lacks it.
        """
        return spectator(batch, self.against)

    def is_chosen(self, numbers: Tensor) -> list[Tensor]:
        """Return which events each of the classes holds, (batch,) bool, from class numbers."""
        if self.classes is None:
            return [torch.ones_like(numbers, dtype=torch.bool)]
        return [numbers == number for number in self.classes]


class BatchTerm(Decorrelation):
    """A term that is a function of all events of a global batch together, whatever the workers.

    Each worker computes it from the events of all; with several classes it is the mean over them.
    A class with fewer than two events in the batch, or no weight, counts as 0.
    """

    @abstractmethod
    def term(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the term, a scalar, from score, column and weight, (events,) each."""

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the term, a scalar."""
        score = self.probability(outputs)
        weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
        others = (self.column(batch), weight, class_numbers(batch, self.target))
        rows = everywhere(torch.stack([score, *(v.to(score) for v in others)], 1))
        score, value, weight, numbers = rows.unbind(1)
        chosen = self.is_chosen(numbers)
        usable = [c for c in chosen if c.sum() > 1 and weight[c].sum() > 0]
        terms = [self.term(score[c], value[c], weight[c]) for c in usable]
        return (sum(terms, 0 * score.sum()) / len(chosen)).float()


def wide(values: Tensor) -> Tensor:
    """Return values in double precision, or in single on devices that lack it."""
    return values.float() if values.device.type == "mps" else values.double()
