"""Spectra of a column for signal-like and background-like events, and their divergence."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from bunchtrain.heads._bins import Bins, bin_index, check_bins, count_bins, sum_per_bin
from bunchtrain.parts.ranges import StepsOrZero
from bunchtrain.penalties._penalty import BatchDecorrelation
from bunchtrain.targets import Target


class Divergence(BatchDecorrelation):
    """A divergence of two spectra of a column, of events weighted with score f and with 1 − f.

    against  column of which the score is to be independent.
    bins     of the column: a count of bins of equal weight, or their edges.
    alone    training steps at the beginning without a gradient for the classifier.
    ramp     steps after these in which the gradient's strength increases to 1.
    classes  in each of which it is to be independent; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def __init__(
        self,
        target: Target,
        *,
        against: str,
        bins: Bins = 20,
        alone: StepsOrZero = 0,
        ramp: StepsOrZero = 0,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(
            target, against=against, alone=alone, ramp=ramp, classes=classes, score=score
        )
        check_bins(bins, self.name)
        self.bins = bins

    @abstractmethod
    def divergence(self, passing: Tensor, failing: Tensor) -> Tensor:
        """Return the divergence, a scalar, of two normalised spectra (bins,)."""

    def statistic(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the divergence, a scalar."""
        index = bin_index(value, weight, self.bins)
        passing, failing = (
            sum_per_bin(index, weight * share, count_bins(self.bins))
            for share in (score, 1 - score)
        )
        return self.divergence(passing / passing.sum(), failing / failing.sum())


def relative_entropy(p: Tensor, q: Tensor) -> Tensor:
    """Return KL(p‖q) = Σ_b p_b ln(p_b/q_b), a scalar in nats, from (bins,) each; 0 ln 0 is 0."""
    smallest = torch.finfo(p.dtype).tiny
    return (p * (p.clamp(min=smallest).log() - q.clamp(min=smallest).log())).sum()
