"""Reweighting of simulation to data by a classifier, and its closure.

With p the probability of data, a simulated event gets the weight w = c p/(1 − p), the ratio of the
densities (arXiv:1907.08209); c keeps the sum of the event weights. Closure means that no input and
no combination of inputs separates data from weighted simulation: spectra are compared by χ² in bins
of equal population of the data, combinations by boosted trees, with AUC = 1/2 at closure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Floats, Measurement, auc, roc
from bunchtrain.statistics.two_sample import fold_factor

#: Folds of the classifier that separates data from weighted simulation.
FOLDS = 4
#: ln p/(1 − p), relative to its median, above which weights are constant, so that no single event
#: dominates the sample.
MAX_LOG_ODDS = 7.0


def density_ratio_weights(
    log_odds: NDArray[Any], data: NDArray[np.bool_], weight: NDArray[Any]
) -> NDArray[np.float64]:
    """Return w = c p/(1 − p) of simulation, with Σ w v = Σ v over its event weights v; 1 of data.

    log_odds  (events,) ln p/(1 − p), clipped at 7 on both sides of the simulation's median.
    data      (events,) True for data.
    weight    (events,) event weights v.
    """
    centred = np.asarray(log_odds, np.float64) - np.median(log_odds[~data])
    odds = np.exp(np.clip(centred, -MAX_LOG_ODDS, MAX_LOG_ODDS))
    mean = np.average(odds[~data], weights=weight[~data])
    return np.where(data, 1.0, odds / mean)


@dataclass(frozen=True)
class Closure:
    """Agreement of weighted simulation with data.

    chi2   input → χ² over degrees of freedom of its spectrum.
    auc    of a classifier that separates the two.
    share  effective number of events of the simulation, (Σw)²/Σw², over its value without the
           reweighting.
    """

    chi2: dict[str, float]
    auc: Measurement
    share: float

    def as_dict(self) -> dict[str, Any]:
        """Return the closure for JSON."""
        return {"chi2": self.chi2, "auc": self.auc.as_dict(), "share": self.share}


def closure(
    inputs: Mapping[str, NDArray[Any]],
    data: NDArray[np.bool_],
    weight: NDArray[Any],
    before: NDArray[Any] | None = None,
) -> Closure:
    """Return the agreement of weighted simulation with data.

    inputs  Name → (events,).
    data    (events,) True for data, False for simulation.
    weight  (events,), of simulation with the reweighting.
    before  (events,) weights without it, for `share`; 1 if None.
    """
    first = np.ones(len(data)) if before is None else before
    return Closure(
        {name: reduced_chi2(values, data, weight) for name, values in inputs.items()},
        closure_auc(np.stack(list(inputs.values()), axis=1), data, weight),
        _effective(weight[~data]) / _effective(first[~data]),
    )


def _effective(weight: NDArray[Any]) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum())


def reduced_chi2(
    values: NDArray[Any], data: NDArray[np.bool_], weight: NDArray[Any], bins: int = 20
) -> float:
    """Return χ²/n of two spectra of sum 1: χ² = Σ_b (d_b − s_b)² / (σ²_d + σ²_s), n = bins − 1.

    Bins without events of either are left out; a column of one value gives 0.
    """
    edges = np.unique(np.quantile(values[data], np.linspace(0, 1, bins + 1)))
    index = np.searchsorted(edges[1:-1], values, side="right")
    count = max(len(edges) - 1, 1)
    sides = [_spectrum(index[side], weight[side], count) for side in (data, ~data)]
    (d, d_variance), (s, s_variance) = sides
    filled = d_variance + s_variance > 0
    chi2 = ((d - s)[filled] ** 2 / (d_variance + s_variance)[filled]).sum()
    return float(chi2 / max(np.count_nonzero(filled) - 1, 1))


def _spectrum(index: NDArray[Any], weight: NDArray[Any], bins: int) -> tuple[Floats, Floats]:
    total = weight.sum()
    squares = np.bincount(index, weight**2, bins) / total**2
    return np.asarray(np.bincount(index, weight, bins) / total, np.float64), squares


def closure_auc(
    table: NDArray[Any], data: NDArray[np.bool_], weight: NDArray[Any], folds: int = FOLDS
) -> Measurement:
    """Return the AUC, with its error, of trees trained to separate data from weighted simulation.

    Each event is scored by trees that were not trained on it; both sides have the same sum of
    weights. The AUC is the mean over the folds, as scores of different trees are not comparable;
    its error includes their correlation by `fold_factor`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    balanced = np.where(data, weight / weight[data].sum(), weight / weight[~data].sum())
    balanced = balanced * len(data) / 2
    found = []
    split = StratifiedKFold(folds, shuffle=True, random_state=1)
    for train, test in split.split(table, data):
        trees = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=1
        )
        trees.fit(table[train], data[train], balanced[train])
        score = trees.decision_function(table[test])
        found.append(auc(roc(score, data[test], balanced[test])))
    mean = float(np.mean([one.value for one in found]))
    error = float(np.sqrt(sum(one.error**2 for one in found))) / folds
    return Measurement(mean, error * fold_factor(folds))
