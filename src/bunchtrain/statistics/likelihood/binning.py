"""The binning of a score that is most sensitive, with enough background in every bin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError
from bunchtrain.statistics.metrics.efficiency import Floats, ones_or
from bunchtrain.statistics.metrics.significance import asimov

#: Candidate edges, at equal shares of the background.
CANDIDATES = 200


def optimal_binning(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    *,
    bins: int = 10,
    least: float = 10.0,
    scale: float = 1.0,
) -> Floats:
    """Return the edges of at most `bins` bins with the largest Σ_b Z_A(s_b, b_b)².

    The Asimov significances of bins add in quadrature (arXiv:1007.1727), so that the best edges
    among the candidates are found exactly by dynamic programming: the best k bins below an edge
    are the best k − 1 below another one and the bin between.

    Args:
        scores: (events,), large for signal.
        truth: (events,) bool, True for signal.
        weights: (events,) or None for equal weights.
        bins: Largest number of bins.
        least: Effective number of background events (Σw)²/Σw² that every bin needs.
        scale: Factor on weights that makes s and b expected event counts.

    Raises:
        StudyError: bins is below 1.
        DataError: the background has too few events for one bin.
    """
    if bins < 1:
        raise StudyError(f"a binning needs at least one bin, got {bins}")
    w, truth = ones_or(weights, len(scores)), np.asarray(truth, bool)
    edges = _candidates(scores, truth)
    gain = _gains(scores, truth, w, edges, least, scale)  # (low edge, high edge)
    best, path = gain[0], np.zeros((bins, len(edges)), int)
    totals = [best[-1]]
    for number in range(1, bins):
        through = best[:, None] + gain
        path[number] = through.argmax(0)
        best = through.max(0)
        totals.append(best[-1])
    if not np.isfinite(totals).any():
        raise DataError(
            f"the background has fewer than {least:g} effective events; use more events or fewer "
            "with 'least'"
        )
    return edges[_walk(path, int(np.argmax(totals)))]


def _candidates(scores: NDArray[Any], truth: NDArray[np.bool_]) -> Floats:
    inner = np.quantile(scores[~truth], np.linspace(0, 1, CANDIDATES + 1)[1:-1])
    tail = np.quantile(scores[truth], np.linspace(0, 1, CANDIDATES // 4 + 1)[1:-1])
    ends = [np.min(scores), np.nextafter(np.max(scores), np.inf)]
    return np.unique(np.concatenate([inner, tail, ends]).astype(np.float64))


def _gains(
    scores: NDArray[Any],
    truth: NDArray[np.bool_],
    w: Floats,
    edges: Floats,
    least: float,
    scale: float,
) -> Floats:
    """Return Z² of the bin between each two edges; −∞ where it is not allowed."""

    def below(chosen: NDArray[np.bool_], weight: Floats) -> Floats:
        held = np.histogram(scores[chosen], edges, weights=weight[chosen])[0]
        return np.concatenate([[0.0], np.cumsum(held)])

    def between(sums: Floats) -> Floats:
        return np.asarray(sums[None, :] - sums[:, None], np.float64)

    s, b = between(below(truth, w)), between(below(~truth, w))
    squares = between(below(~truth, w**2))
    rises = np.triu(np.ones_like(s, dtype=bool), 1)
    allowed = rises & (b > 0) & (b**2 >= least * squares)
    with np.errstate(all="ignore"):
        square = asimov(scale * np.maximum(s, 0), scale * b) ** 2
    return np.where(allowed, square, -np.inf)


def _walk(path: NDArray[Any], last: int) -> list[int]:
    """Return the numbers of the edges, from the lowest, of the best last + 1 bins."""
    place, edges = path.shape[1] - 1, [path.shape[1] - 1]
    for number in range(last, 0, -1):
        place = int(path[number, place])
        edges.append(place)
    return [0, *reversed(edges)]
