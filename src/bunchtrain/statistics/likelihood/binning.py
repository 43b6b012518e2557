"""Binning of a score that maximises the significance, with enough background in every bin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError
from bunchtrain.statistics.metrics import Floats, as_weights
from bunchtrain.statistics.metrics.significance import asimov

#: Candidate edges, at equal shares of the background.
CANDIDATES = 200


def optimal_binning(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    *,
    bins: int = 10,
    min_background: float = 10.0,
    scale: float = 1.0,
) -> Floats:
    """Return the edges of at most `bins` bins with the largest Σ_b Z_A(s_b, b_b)².

    The Asimov significances of bins add in quadrature (arXiv:1007.1727), so that the best edges
    among the candidates are found exactly by dynamic programming: the best k bins below an edge
    are the best k − 1 below another one and the bin between. With negative weights no bin has a
    negative signal.

    scores          (events,), large for signal.
    truth           (events,) bool, True for signal.
    weights         (events,) or None for equal weights.
    bins            Largest number of bins.
    min_background  Effective number of background events (Σw)²/Σw² that every bin needs.
    scale           Factor on weights that makes s and b expected event counts.

    Raises StudyError if bins is below 1, and DataError if the background has too few events for one
    bin.
    """
    if bins < 1:
        raise StudyError(f"a binning needs at least one bin, got {bins}")
    w, truth = as_weights(weights, len(scores)), np.asarray(truth, bool)
    edges = _candidates(scores, truth)
    gain = _squared_significance(scores, truth, w, edges, min_background, scale)  # (low, high)
    best, path = gain[0], np.zeros((bins, len(edges)), int)
    totals = [best[-1]]
    for k in range(1, bins):
        sums = best[:, None] + gain
        path[k] = sums.argmax(0)
        best = sums.max(0)
        totals.append(best[-1])
    if not np.isfinite(totals).any():
        raise DataError(
            f"the background has fewer than {min_background:g} effective events; use more events "
            "or a smaller 'min_background'"
        )
    return edges[_backtrack(path, int(np.argmax(totals)))]


def _candidates(scores: NDArray[Any], truth: NDArray[np.bool_]) -> Floats:
    inner = np.quantile(scores[~truth], np.linspace(0, 1, CANDIDATES + 1)[1:-1])
    tail = np.quantile(scores[truth], np.linspace(0, 1, CANDIDATES // 4 + 1)[1:-1])
    ends = [np.min(scores), np.nextafter(np.max(scores), np.inf)]
    return np.unique(np.concatenate([inner, tail, ends]).astype(np.float64))


def _squared_significance(
    scores: NDArray[Any],
    truth: NDArray[np.bool_],
    w: Floats,
    edges: Floats,
    min_background: float,
    scale: float,
) -> Floats:
    """Return Z² of the bin between each two edges, (low, high); −∞ for too little background."""

    def below(chosen: NDArray[np.bool_], weight: Floats) -> Floats:
        sums = np.histogram(scores[chosen], edges, weights=weight[chosen])[0]
        return np.concatenate([[0.0], np.cumsum(sums)])

    def between(sums: Floats) -> Floats:
        return np.asarray(sums[None, :] - sums[:, None], np.float64)

    s, b = between(below(truth, w)), between(below(~truth, w))
    squares = between(below(~truth, w**2))
    ordered = np.triu(np.ones_like(s, dtype=bool), 1)
    allowed = ordered & (b > 0) & (b**2 >= min_background * squares)
    allowed &= s >= -1e-9 * w[truth].sum()  # differences of sums are 0 within rounding
    with np.errstate(all="ignore"):
        square = asimov(scale * np.maximum(s, 0), scale * b) ** 2
    return np.where(allowed, square, -np.inf)


def _backtrack(path: NDArray[Any], last: int) -> list[int]:
    """Return the indices of the edges, rising, of the best last + 1 bins."""
    indices = [path.shape[1] - 1]
    for k in range(last, 0, -1):
        indices.append(int(path[k, indices[-1]]))
    return [0, *reversed(indices)]
