"""Two-sample tests: whether two samples have the same distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Measurement, auc, roc

Floats = NDArray[np.float64]


def classifier_auc(
    first: NDArray[Any], second: NDArray[Any], *, folds: int = 2, seed: int = 1, threads: int = 1
) -> Measurement:
    """Return the AUC of boosted trees that separate two samples, 0.5 for equal distributions.

    Each event is scored by trees that were fitted on the other folds (arXiv:1610.06545).

    first, second  (events, features) and (events', features).
    folds          number of folds.
    seed           of the folds.
    threads        of the fit.
    """
    from xgboost import XGBClassifier

    features = np.concatenate([first, second])
    label = np.repeat([0, 1], [len(first), len(second)])
    fold = np.random.default_rng(seed).permutation(len(label)) % folds
    score = np.empty(len(label))
    for k in range(folds):
        trees = XGBClassifier(
            n_estimators=100, max_depth=3, learning_rate=0.1, n_jobs=threads, random_state=seed
        )
        trees.fit(features[fold != k], label[fold != k])
        score[fold == k] = trees.predict_proba(features[fold == k])[:, 1]
    return auc(roc(score, label == 1))


def wasserstein(first: NDArray[Any], second: NDArray[Any], *, draws: int = 20) -> Measurement:
    """Return W₁ between two samples of one variable in units of the first's standard deviation.

    Its uncertainty is the standard deviation over bootstrap samples of the events of both.

    first, second  (events, ...) and (events', ...); all values of an event are of the variable.
    draws          number of bootstrap samples.
    """
    from scipy.stats import wasserstein_distance

    scale = float(np.std(first)) or 1.0
    rng = np.random.default_rng(1)
    found = [
        wasserstein_distance(*(rng.choice(one, len(one)).ravel() for one in (first, second)))
        for _ in range(draws)
    ]
    value = wasserstein_distance(first.ravel(), second.ravel()) / scale
    return Measurement(value, float(np.std(found, ddof=1)) / scale)
