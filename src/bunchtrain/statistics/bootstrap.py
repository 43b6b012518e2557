"""The paired bootstrap: errors of differences between scores of the same events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Roc, roc

#: A metric of a ROC.
RocMetric = Callable[[Roc], float]


def paired_bootstrap(
    scores: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    weights: NDArray[Any],
    metrics: Mapping[str, RocMetric],
    replicas: int = 200,
    seed: int = 1,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return metric → name → the metric in each replica of the test set, (replicas,).

    In a replica each event counts n times, n from a Poisson distribution of mean 1, the same for
    all scores: the standard deviation of a difference over replicas is its error, correlations
    included (Efron 1979).

    scores    Name → (events,) discriminant, large for signal.
    truth     (events,) bool, True for signal.
    weights   (events,) weights of the events.
    metrics   Name of the metric → its function of a ROC.
    replicas  Number of replicas.
    seed      Seed of the counts.
    """
    random = np.random.default_rng(seed)
    found = {metric: {name: np.empty(replicas) for name in scores} for metric in metrics}
    # Ranks in place of scores: sorting repeated integers is faster, and the ROC is the same.
    ranks = {name: np.unique(score, return_inverse=True)[1] for name, score in scores.items()}
    for index in range(replicas):
        resampled = weights * random.poisson(1.0, len(truth))
        for name, rank in ranks.items():
            curve = roc(rank, truth, resampled)
            for metric, function in metrics.items():
                found[metric][name][index] = function(curve)
    return found
