"""Flatness by moments, MoDe (arXiv:2010.09745).

L = 1/M Σ_m ∫ [F_m(s) − F̂_m(s)]² ds, where F_m is the distribution function of the score in bin m
of M in the column, and F̂ its expansion in Legendre polynomials of the bin, mapped to [−1, 1], up to
an order: 0 asks for no dependence on the column, 1 allows a linear one, 2 a quadratic one.

F̂ is the projection on the polynomials that are orthonormal on the bins. Between two scores F is
constant, so that the integral is a sum over gaps s_{k+1} − s_k, whose gradient is exact.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.heads._bins import Bins, bin_numbers, check_bins, count, sums
from bunchtrain.heads._loss import TargetShape
from bunchtrain.penalties._decorrelation import BatchTerm


class Mode(BatchTerm):
    """Moments of the score's distribution in a column, beyond an order (arXiv:2010.09745).

    against  column that the score shall not depend on.
    order    of the dependence that is allowed: 0 none, 1 linear, 2 quadratic.
    bins     of the column: a number of equally populated ones, or their edges.
    classes  in which it shall not, each on its own; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def __init__(
        self,
        target: TargetShape,
        *,
        against: str,
        order: int = 0,
        bins: Bins = 16,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(target, against=against, classes=classes, score=score)
        check_bins(bins, "mode")
        if not 0 <= order < count(bins) - 1:
            raise StudyError(
                f"objective 'mode': option 'order' must be at least 0 and below the number of bins "
                f"less one, {count(bins) - 1}, got {order}"
            )
        self.order, self.bins = order, bins

    def term(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the mean over bins of the integral, a scalar."""
        numbers = bin_numbers(value, weight, self.bins)
        held, ranks = score.sort()
        share = functional.one_hot(numbers[ranks], count(self.bins)) * weight[ranks, None]
        total = sums(numbers, weight, count(self.bins))
        filled = total > 0
        distribution = share.cumsum(0)[:-1, filled] / total[filled]  # (gaps, bins)
        beyond = distribution - self._expansion(distribution, filled)
        return (beyond.square().mean(1) * held.diff()).sum()

    def _expansion(self, distribution: Tensor, filled: Tensor) -> Tensor:
        centres = (torch.arange(len(filled)).to(distribution)[filled] + 0.5) * 2 / len(filled) - 1
        powers = centres[:, None] ** torch.arange(self.order + 1, device=centres.device)
        legendre, _ = torch.linalg.qr(powers)  # (bins, order + 1), orthonormal on the bins
        expansion: Tensor = distribution @ legendre @ legendre.T
        return expansion
