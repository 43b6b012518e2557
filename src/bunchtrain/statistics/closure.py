"""Whether weighted simulation looks like data: χ² of each input, and what a classifier finds.

A reweighting closes if no input and no combination of inputs tells the two apart. The spectra are
compared by χ² in bins of equal population of the data; the combinations by boosted trees that are
trained on some folds and tested on another (arXiv:1907.08209), with AUC = 1/2 at closure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from bunchtrain.statistics.metrics import Measurement, auc, roc
from bunchtrain.statistics.metrics import Floats

#: Folds of the classifier that looks for what is left.
FOLDS = 4


@dataclass(frozen=True)
class Closure:
    """How well weighted simulation describes data.

    chi2  input → χ² over degrees of freedom of its spectrum.
    auc   of a classifier that tells the two apart.
    share of the simulation's effective number of events, (Σw)²/Σw² over its value without weights.
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
    """Return how well simulation with weights describes data.

    Args:
        inputs: Name → (events,).
        data: (events,) True for data, False for simulation.
        weight: (events,), those of the simulation made by the reweighting.
        before: (events,) weights without it, for `share`; 1 if unset.
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
    place = np.searchsorted(edges[1:-1], values, side="right")
    count = max(len(edges) - 1, 1)
    sides = [_spectrum(place[side], weight[side], count) for side in (data, ~data)]
    (d, d_variance), (s, s_variance) = sides
    filled = d_variance + s_variance > 0
    chi2 = ((d - s)[filled] ** 2 / (d_variance + s_variance)[filled]).sum()
    return float(chi2 / max(np.count_nonzero(filled) - 1, 1))


def _spectrum(place: NDArray[Any], weight: NDArray[Any], bins: int) -> tuple[Floats, Floats]:
    total = weight.sum()
    squares = np.bincount(place, weight**2, bins) / total**2
    return np.asarray(np.bincount(place, weight, bins) / total, np.float64), squares


def closure_auc(
    table: NDArray[Any], data: NDArray[np.bool_], weight: NDArray[Any], folds: int = FOLDS
) -> Measurement:
    """Return the AUC of trees that tell data from weighted simulation, with its error.

    Each event is tested by trees that have not seen it; both sides have the same sum of weights.
    The area is that of each fold, averaged, as scores of different trees are not to be mixed.
    """
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
    return Measurement(mean, float(np.sqrt(sum(one.error**2 for one in found)) / folds))
