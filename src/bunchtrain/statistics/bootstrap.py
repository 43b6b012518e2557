"""The paired bootstrap: errors of differences between scores of the same events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Roc, roc

#: A figure that is read from a ROC.
Reader = Callable[[Roc], float]


def paired_bootstrap(
    scores: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    weights: NDArray[Any],
    readers: Mapping[str, Reader],
    replicas: int = 200,
    seed: int = 1,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return figure → name → the figure in each replica of the test set, (replicas,).

    In a replica each event counts n times, n from a Poisson distribution of mean 1, and the same
    n for all scores: the spread of a difference is its error, correlations included (Efron 1979).

    Args:
        scores: Name → (events,) discriminant, large for signal.
        truth: (events,) bool, True for signal.
        weights: (events,) weights of the events.
        readers: Name of the figure → what reads it from a ROC.
        replicas: Number of replicas.
        seed: Seed of the counts.
    """
    random = np.random.default_rng(seed)
    found = {f: {name: np.empty(replicas) for name in scores} for f in readers}
    # Ranks in place of scores: sorting integers that repeat is quicker, and the ROC is the same.
    ranks = {name: np.unique(score, return_inverse=True)[1] for name, score in scores.items()}
    for number in range(replicas):
        counted = weights * random.poisson(1.0, len(truth))
        for name, rank in ranks.items():
            curve = roc(rank, truth, counted)
            for figure, read in readers.items():
                found[figure][name][number] = read(curve)
    return found
