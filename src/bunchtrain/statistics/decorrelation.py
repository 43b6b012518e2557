"""Transformations of a finished score that remove its dependence on a column.

They are fitted on background after the training and act on columns of predictions alone, so that
they can be applied to any model, trees included:

* `Ddt`, the designed decorrelated tagger, a linear transformation (arXiv:1603.00027);
* `QuantileRegression`, the same with any function in place of the straight line;
* `CutProfile`, either of them tabulated, for probabilities of several classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import Floats, as_weights, effective_count, quantile, roc

#: Smallest effective number of events of a bin whose quantile DDT uses.
MIN_EVENTS = 20
#: Largest number of equally populated bins in which the cut profile of DDT is found.
BINS = 20
#: Background events in such a bin, at least.
EVENTS_PER_BIN = 50
#: Points at which the cut of the quantile regression is tabulated.
KNOTS = 200
#: Smallest probability whose logarithm is taken.
SMALLEST = 1e-12


@dataclass(frozen=True)
class Ddt:
    """s' = s − slope (v − centre); for jets, v is often ρ = ln(m²/pT²).

    The slope is that of the cut on s, against v, that lets the same fraction of background pass at
    every v.
    """

    slope: float
    centre: float

    @classmethod
    def fit(
        cls,
        scores: NDArray[Any],
        values: NDArray[Any],
        mistag: float,
        edges: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Ddt:
        """Return the transformation at a working point.

        scores   (events,) of background, large for signal.
        values   (events,) of the column.
        mistag   Background efficiency ε_B of the working point.
        edges    (bins + 1,) in which the cut is found, in the column's unit.
        weights  (events,) or None for equal weights.

        Raises DataError if fewer than two bins have enough events.
        """
        w = as_weights(weights, len(scores))
        index = np.digitize(values, edges) - 1
        inside = [index == k for k in range(len(edges) - 1)]
        bins = [c for c in inside if w[c].sum() > 0 and effective_count(w[c]) >= MIN_EVENTS]
        if len(bins) < 2:
            raise DataError(
                f"DDT needs two bins of at least {MIN_EVENTS} background events, and {len(bins)} "
                f"of {len(inside)} have them; choose other edges"
            )
        at = np.array([np.average(values[c], weights=w[c]) for c in bins])
        cuts = np.array([quantile(scores[c], 1 - mistag, w[c]) for c in bins])
        counts = np.array([effective_count(w[c]) for c in bins])  # ∝ 1/σ² of the cuts
        centre = np.average(at, weights=counts)
        slope = np.sum(counts * (at - centre) * cuts) / np.sum(counts * (at - centre) ** 2)
        return cls(float(slope), float(centre))

    def __call__(self, scores: NDArray[Any], values: NDArray[Any]) -> Floats:
        """Return the transformed scores, (events,)."""
        return np.asarray(scores - self.slope * (values - self.centre), np.float64)


@dataclass(frozen=True)
class QuantileRegression:
    """s' = s − q(v), with q the quantile of the background's score at 1 − ε_B.

    q is a function of any columns v, fitted by boosted trees with the pinball loss; the cut s' > 0
    lets a fraction ε_B of background pass at every v.
    """

    trees: Any

    @classmethod
    def fit(
        cls,
        scores: NDArray[Any],
        values: NDArray[Any],
        mistag: float,
        weights: NDArray[Any] | None = None,
        *,
        leaves: int = 8,
        seed: int = 1,
    ) -> QuantileRegression:
        """Return the transformation at a working point.

        scores   (events,) of background, large for signal.
        values   (events,) of a column or (events, columns).
        mistag   Background efficiency ε_B of the working point.
        weights  (events,) or None for equal weights.
        leaves   Of each tree.
        seed     Of the trees.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        trees = HistGradientBoostingRegressor(
            loss="quantile",
            quantile=1 - mistag,
            max_leaf_nodes=leaves,
            min_samples_leaf=max(20, int(5 / min(mistag, 1 - mistag))),
            early_stopping=False,
            random_state=seed,
        )
        trees.fit(_as_table(values), scores, as_weights(weights, len(scores)))
        return cls(trees)

    def __call__(self, scores: NDArray[Any], values: NDArray[Any]) -> Floats:
        """Return the transformed scores, (events,)."""
        return np.asarray(scores - self.trees.predict(_as_table(values)), np.float64)


def _as_table(values: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(values)
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True)
class CutProfile:
    """d' = d − (q(v) − q̄), with d = ln p_S/(1 − p_S) and q(v) the cut of constant ε_B.

    q − q̄ is interpolated linearly between knots and constant beyond the outer ones.

    values  (knots,) of the column, rising.
    cuts    (knots,) q − q̄ at these values.
    signal  index of the signal class.
    """

    values: Floats
    cuts: Floats
    signal: int

    def __call__(self, scores: NDArray[Any], column: NDArray[Any]) -> Floats:
        """Return probabilities (events, classes) from such and from the column (events,).

        The ratios between the backgrounds' probabilities are unchanged.
        """
        p = expit(log_odds(scores, self.signal) - np.interp(column, self.values, self.cuts))
        others = np.delete(np.asarray(scores, np.float64), self.signal, axis=1)
        ratios = others / np.maximum(others.sum(1, keepdims=True), SMALLEST)
        return np.insert((1 - p)[:, None] * ratios, self.signal, p, axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return the profile for JSON."""
        return {"values": self.values.tolist(), "cuts": self.cuts.tolist(), "signal": self.signal}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> CutProfile:
        """Return the profile from `as_dict`."""
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
    """Return the profile of the cut with a given mean signal efficiency.

    by          `ddt` for a straight line, `quantile` for trees.
    scores      (events, classes) probabilities of events that the network was not fitted on.
    truth       (events,) index of the true class; all but the signal are background.
    column      (events,) that the score should not depend on.
    signal      Index of the signal class.
    efficiency  Signal efficiency of the working point.
    weights     (events,) or None for equal weights.
    """
    odds, is_signal = log_odds(scores, signal), np.asarray(truth) == signal
    mistag = float(roc(odds, is_signal, weights).background_at([efficiency])[0][0])
    b = ~is_signal
    w = None if weights is None else weights[b]
    if by == "ddt":
        bins = int(np.clip(b.sum() / EVENTS_PER_BIN, 2, BINS))
        edges = np.unique(np.quantile(column[b], np.linspace(0, 1, bins + 1)))
        line = Ddt.fit(odds[b], column[b], mistag, edges, w)
        knots = edges[[0, -1]].astype(np.float64)
        return CutProfile(knots, line.slope * (knots - line.centre), signal)
    trees = QuantileRegression.fit(odds[b], column[b], mistag, w).trees
    low, high = np.quantile(column[b], [0.001, 0.999])
    knots = np.linspace(low, high, KNOTS)
    cuts = trees.predict(knots[:, None])
    average = np.average(np.interp(column[b], knots, cuts), weights=w)
    return CutProfile(knots, cuts - average, signal)
