"""A score less its own cut of constant background efficiency, as a function of one column.

d' = d − (q(v) − q̄), with d = ln p_signal/(1 − p_signal) and q(v) the cut on d that lets the same
fraction of background pass at every v: a straight line for DDT (arXiv:1603.00027), any function for
its quantile-regression version. q is kept as numbers between which it is linear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from bunchtrain.statistics.decorrelation.ddt import Ddt
from bunchtrain.statistics.decorrelation.quantile_regression import QuantileRegression
from bunchtrain.statistics.metrics.efficiency import Floats
from bunchtrain.statistics.metrics.roc import roc

#: Bins of the background in which DDT finds the cut, equally populated, at most.
BINS = 20
#: Background events that such a bin shall hold.
HELD = 50
#: Places at which the cut of the quantile regression is kept.
KNOTS = 200
#: Smallest probability whose logarithm is taken.
SMALLEST = 1e-12


@dataclass(frozen=True)
class CutProfile:
    """The cut q − q̄ at some values of the column; constant beyond the outer ones.

    values  (knots,) of the column, rising.
    cuts    (knots,) at them, on d.
    signal  number of the signal class.
    """

    values: Floats
    cuts: Floats
    signal: int

    def __call__(self, scores: NDArray[Any], column: NDArray[Any]) -> Floats:
        """Return probabilities (events, classes) from such and from the column (events,).

        Those of the backgrounds keep their ratios.
        """
        flat = expit(log_odds(scores, self.signal) - np.interp(column, self.values, self.cuts))
        others = np.delete(np.asarray(scores, np.float64), self.signal, axis=1)
        rest = others / np.maximum(others.sum(1, keepdims=True), SMALLEST)
        return np.insert((1 - flat)[:, None] * rest, self.signal, flat, axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return the profile for JSON."""
        return {
            "values": self.values.tolist(),
            "cuts": self.cuts.tolist(),
            "signal": self.signal,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> CutProfile:
        """Return the profile that `as_dict` wrote."""
        return cls(np.array(entry["values"]), np.array(entry["cuts"]), int(entry["signal"]))


def log_odds(scores: NDArray[Any], signal: int) -> Floats:
    """Return ln p/(1 − p) of a class, (events,), from probabilities (events, classes)."""
    p = np.clip(np.asarray(scores, np.float64), SMALLEST, 1)
    return np.asarray(np.log(p[:, signal] / np.delete(p, signal, axis=1).sum(1)), np.float64)


def fit_cut_profile(
    by: Literal["ddt", "quantile"],
    scores: NDArray[Any],
    truth: NDArray[Any],
    column: NDArray[Any],
    signal: int,
    efficiency: float = 0.5,
    weights: NDArray[Any] | None = None,
) -> CutProfile:
    """Return the profile of the cut that keeps a fraction of the signal on average.

    Args:
        by: `ddt` for a straight line, `quantile` for trees.
        scores: (events, classes) probabilities of events that the network was not fitted on.
        truth: (events,) index of the true class; all but the signal are background.
        column: (events,) that the score should not depend on.
        signal: Number of the signal class.
        efficiency: Signal efficiency of the working point.
        weights: (events,) or None for equal weights.
    """
    odds, is_signal = log_odds(scores, signal), np.asarray(truth) == signal
    mistag = float(roc(odds, is_signal, weights).background_at([efficiency])[0][0])
    b = ~is_signal
    w = None if weights is None else weights[b]
    if by == "ddt":
        bins = int(np.clip(b.sum() / HELD, 2, BINS))
        edges = np.unique(np.quantile(column[b], np.linspace(0, 1, bins + 1)))
        line = Ddt.fit(odds[b], column[b], mistag, edges, w)
        knots = edges[[0, -1]].astype(np.float64)
        return CutProfile(knots, line.slope * (knots - line.centre), signal)
    trees = QuantileRegression.fit(odds[b], column[b], mistag, w).trees
    low, high = np.quantile(column[b], [0.001, 0.999])
    knots = np.linspace(low, high, KNOTS)
    cuts = trees.predict(knots[:, None])
    middle = np.average(np.interp(column[b], knots, cuts), weights=w)
    return CutProfile(knots, cuts - middle, signal)
