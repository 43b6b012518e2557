"""Distance correlation between a score and a column, DisCo (arXiv:2001.05310).

L = dCov²(f, m)/√(dCov²(f, f) dCov²(m, m)) over the events of a global batch, with their weights.
It is 0 if and only if score f and column m are independent; a term's `weight` is the paper's λ.
"""

from __future__ import annotations

from torch import Tensor

from bunchtrain.penalties._distance_correlation import distance_correlation
from bunchtrain.penalties._penalty import BatchDecorrelation


class Disco(BatchDecorrelation):
    """Distance correlation of the score and a column (arXiv:2001.05310).

    against  column of which the score is to be independent.
    alone    training steps at the beginning without a gradient for the classifier.
    ramp     steps after these in which the gradient's strength increases to 1.
    classes  in each of which it is to be independent; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def statistic(self, score: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        """Return the squared distance correlation, a scalar."""
        return distance_correlation(score, value, weight)
