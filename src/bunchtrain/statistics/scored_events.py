"""Events with a score, and their weights in a bootstrap sample, the same wherever an event is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from bunchtrain.tables.hashing import hash_ids, uniform


@dataclass(frozen=True)
class ScoredEvents:
    """A score of a set of events.

    entry   (events,) indices of the events in their source.
    score   (events,), large for signal.
    truth   (events,) bool, True for signal.
    weight  (events,).
    """

    entry: NDArray[Any]
    score: NDArray[Any]
    truth: NDArray[Any]
    weight: NDArray[Any]


def bootstrap_weights(entry: NDArray[Any], seed: int, index: int) -> NDArray[np.float64]:
    """Return the Poisson weights of mean 1 of a bootstrap sample, (events,).

    The weight of an event depends on its `entry`, seed and sample alone.
    """
    indices = np.full(len(entry), index, np.int64)
    random = uniform(hash_ids(seed, "boot", np.asarray(entry, np.int64), indices))
    return np.searchsorted(_CUMULATIVE, random, side="right").astype(np.float64)


_CUMULATIVE: Sequence[float] = pdtr(np.arange(12), 1.0)
