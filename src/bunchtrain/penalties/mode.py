"""Flatness by moments, MoDe (arXiv:2010.09745).

L = 1/M Σ_m ∫ [F_m(s) − F̂_m(s)]² ds, where F_m is the distribution function of the score in bin m
of M in the column, and F̂ its expansion in Legendre polynomials of the bin, mapped to [−1, 1], up to
an order: 0 allows no dependence on the column, 1 a linear one, 2 a quadratic one.

F̂ is the projection on the polynomials that are orthonormal on the bins. Between two scores F is
constant, so that the integral is a sum over gaps s_{k+1} − s_k, whose gradient is exact.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.heads._bins import Bins, bin_index, check_bins, count_bins, sum_per_bin
from bunchtrain.parts.ranges import StepsOrZero
from bunchtrain.penalties._penalty import BatchDecorrelation
from bunchtrain.targets import Target


class Mode(BatchDecorrelation):
    """Moments of the score's distribution in a column, beyond an order (arXiv:2010.09745).

    against  column of which the score is to be independent.
    order    of the allowed dependence: 0 none, 1 linear, 2 quadratic.
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
        order: Annotated[int, Field(ge=0, le=1000)] = 0,
        bins: Bins = 16,
        alone: StepsOrZero = 0,
        ramp: StepsOrZero = 0,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(
            target, against=against, alone=alone, ramp=ramp, classes=classes, score=score
        )
        check_bins(bins, self.name)
        if not 0 <= order < count_bins(bins) - 1:
            raise StudyError(
                f"loss 'mode': option 'order' must be at least 0 and below the count of bins "
                f"minus one, {count_bins(bins) - 1}, got {order}"
            )
        self.order, self.bins = order, bins

    def statistic(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the mean over bins of the integral, a scalar."""
        index, bins = bin_index(value, weight, self.bins), count_bins(self.bins)
        ordered, order = score.sort()
        share = functional.one_hot(index[order], bins) * weight[order, None]
        total = sum_per_bin(index, weight, bins)
        filled = total > 0
        distribution = share.cumsum(0)[:-1, filled] / total[filled]  # (gaps, bins)
        difference = distribution - self._expand(distribution, filled)
        return (difference.square().mean(1) * ordered.diff()).sum()

    def _expand(self, distribution: Tensor, filled: Tensor) -> Tensor:
        centres = (torch.arange(len(filled)).to(distribution)[filled] + 0.5) * 2 / len(filled) - 1
        powers = centres[:, None] ** torch.arange(self.order + 1, device=centres.device)
        legendre, _ = torch.linalg.qr(powers)  # (bins, order + 1), orthonormal on the bins
        expansion: Tensor = distribution @ legendre @ legendre.T
        return expansion
