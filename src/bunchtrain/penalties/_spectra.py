"""The spectrum of a column among events that look like signal, and among those that do not."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from bunchtrain.heads._bins import Bins, bin_numbers, check_bins, count, sums
from bunchtrain.heads._loss import TargetShape
from bunchtrain.heads._targets import part_name
from bunchtrain.penalties._decorrelation import BatchTerm


class Divergence(BatchTerm):
    """A divergence of two spectra of a column, of events weighted with score f and with 1 − f.

    against  column that the score shall not depend on.
    bins     of the column: a number of equally populated ones, or their edges.
    classes  in which it shall not, each on its own; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def __init__(
        self,
        target: TargetShape,
        *,
        against: str,
        bins: Bins = 20,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(target, against=against, classes=classes, score=score)
        check_bins(bins, part_name(self))
        self.bins = bins

    @abstractmethod
    def divergence(self, passing: Tensor, failing: Tensor) -> Tensor:
        """Return the divergence, a scalar, of two normalised spectra (bins,)."""

    def term(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the divergence, a scalar."""
        numbers = bin_numbers(value, weight, self.bins)
        passing, failing = (
            sums(numbers, weight * share, count(self.bins)) for share in (score, 1 - score)
        )
        return self.divergence(passing / passing.sum(), failing / failing.sum())


def relative_entropy(p: Tensor, q: Tensor) -> Tensor:
    """Return KL(p‖q) = Σ_b p_b ln(p_b/q_b), a scalar in nats, from (bins,) each; 0 ln 0 is 0."""
    smallest = torch.finfo(p.dtype).tiny
    return (p * (p.clamp(min=smallest).log() - q.clamp(min=smallest).log())).sum()
