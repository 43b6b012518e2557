"""Two-sample tests: whether two samples have the same distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Measurement, auc, roc
from bunchtrain.statistics.metrics.sample import student_t

Floats = NDArray[np.float64]


def classifier_auc(
    first: NDArray[Any], second: NDArray[Any], *, folds: int = 2, seed: int = 1, threads: int = 1
) -> Measurement:
    """Return the AUC of boosted trees that separate two samples, 0.5 for equal distributions.

    Each event is scored by trees that were fitted on the other folds (arXiv:1610.06545); the error
    is that of DeLong times `fold_factor`.

    first, second  (events, features) and (events', features).
    folds          number of folds.
    seed           of the folds.
    threads        of the fit.
    """
    import xgboost

    growth = {"objective": "binary:logistic", "max_depth": 3, "learning_rate": 0.1}
    growth |= {"nthread": threads, "seed": seed}
    features = np.concatenate([first, second])
    label = np.repeat([0, 1], [len(first), len(second)])
    fold = np.random.default_rng(seed).permutation(len(label)) % folds
    score = np.empty(len(label))
    for k in range(folds):
        training = xgboost.QuantileDMatrix(features[fold != k], label[fold != k], nthread=threads)
        trees = xgboost.train(growth, training, 100)
        score[fold == k] = trees.inplace_predict(features[fold == k])
    found = auc(roc(score, label == 1))
    return Measurement(found.value, found.error * fold_factor(folds))


def fold_factor(folds: int) -> float:
    """Return √(2 − 1/K), the factor on the error of a cross-validated metric of K folds.

    The results of two folds are correlated by 1/K, the share of the tested events, as each fold is
    part of what the other one's model was fitted on (Nadeau and Bengio, Mach. Learn. 52, 239).
    """
    return float(np.sqrt(2 - 1 / folds))


def wasserstein(first: NDArray[Any], second: NDArray[Any], *, draws: int = 20) -> Measurement:
    """Return W₁ between two samples of one variable in units of the first's standard deviation.

    Its uncertainty is the standard deviation over bootstrap samples of the events of both, each in
    its own unit, times Student's t of as many samples.

    first, second  (events, ...) and (events', ...); all values of an event are of the variable.
    draws          number of bootstrap samples.
    """
    from scipy.stats import wasserstein_distance

    rng = np.random.default_rng(1)

    def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
        return float(wasserstein_distance(one.ravel(), other.ravel())) / (float(np.std(one)) or 1.0)

    found = [
        distance(*(rng.choice(one, len(one)) for one in (first, second))) for _ in range(draws)
    ]
    return Measurement(distance(first, second), student_t(draws) * float(np.std(found, ddof=1)))


def largest_ks(
    first: NDArray[Any], second: NDArray[Any], weights: tuple[Floats, Floats] | None = None
) -> float:
    """Return the largest √(n m/(n + m)) D of the Kolmogorov–Smirnov distances D of all variables.

    first, second  (events, variables) and (events', variables).
    weights        (events,) and (events',), 1 if None; n and m are effective numbers of events.
    """
    one, other = weights or (np.ones(len(first)), np.ones(len(second)))
    sizes = [float(w.sum() ** 2 / np.square(w).sum()) for w in (one, other)]
    largest = 0.0
    for a, b in zip(first.T, second.T, strict=True):
        values = np.concatenate([a, b])
        order = np.argsort(values, kind="stable")
        steps = np.concatenate([one / one.sum(), -other / other.sum()])[order]
        is_last = np.append(np.diff(values[order]) > 0, True)
        largest = max(largest, float(np.abs(np.cumsum(steps)[is_last]).max()))
    return largest * float(np.sqrt(sizes[0] * sizes[1] / sum(sizes)))


def energy_distance(first: NDArray[Any], second: NDArray[Any], most: int = 1000) -> float:
    """Return the energy statistic n m/(n + m) (2E|X − Y| − E|X − X'| − E|Y − Y'|).

    Variables are in units of their standard deviation in both samples (Székely and Rizzo 2013).

    first, second  (events, variables) and (events', variables), whose first `most` are used.
    """
    from scipy.spatial.distance import cdist, pdist

    both = np.concatenate([first, second])
    scale = both.std(0)
    scale[scale == 0] = 1.0
    x, y = first[:most] / scale, second[:most] / scale
    n, m = len(x), len(y)
    within = 2 * pdist(x).sum() / n**2 + 2 * pdist(y).sum() / m**2
    return float(n * m / (n + m) * (2 * cdist(x, y).mean() - within))


def binned_chi_squared(
    first: NDArray[Any],
    second: NDArray[Any],
    weights: tuple[Floats, Floats] | None = None,
    bins: int = 10,
) -> float:
    """Return Σ (a − b)²/(σ_a² + σ_b²) over the bins of all variables, normalised to equal sums.

    Bins have equal numbers of events of the first sample.

    first, second  (events, variables) and (events', variables).
    weights        (events,) and (events',), 1 if None.
    bins           number of bins of a variable.
    """
    one, other = weights or (np.ones(len(first)), np.ones(len(second)))
    scale, found = one.sum() / other.sum(), 0.0
    for a, b in zip(first.T, second.T, strict=True):
        inner = np.unique(np.quantile(a, np.arange(1, bins) / bins))
        counts = []
        for values, weight in ((a, one), (b, other * scale)):
            place = np.searchsorted(inner, values, "right")
            counts += [np.bincount(place, weight**k, len(inner) + 1) for k in (1, 2)]
        variance = counts[1] + counts[3]
        known = variance > 0
        found += float((np.square(counts[0] - counts[2])[known] / variance[known]).sum())
    return found
