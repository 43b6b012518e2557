"""Coverage: how often the truth lies in the intervals that a network gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bunchtrain.statistics.metrics.bias import bias
from bunchtrain.statistics.metrics.efficiency import efficiency
from bunchtrain.statistics.metrics.measurement import Measurement

#: Shares of events that intervals are quoted for.
LEVELS = (0.68, 0.95)


def coverage(
    truth: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> Measurement:
    """Return the fraction of truths (events,) in their intervals, with its binomial error."""
    return efficiency((truth >= low) & (truth <= high), weights)


def gaussian_interval(
    prediction: NDArray[Any], sigma: NDArray[Any], level: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the ends of the central interval of a Gaussian that holds a share `level` of it."""
    reach = norm.ppf((1 + level) / 2) * sigma
    return prediction - reach, prediction + reach


def log_likelihood(pulls: NDArray[Any], sigma: NDArray[Any], weights: Any = None) -> Measurement:
    """Return the mean of log N(y | μ, σ) = −½ [log 2πσ² + pull²], pulls and σ (events,)."""
    logs = -0.5 * (math.log(2 * math.pi) + 2 * np.log(sigma) + np.square(pulls))
    return bias(np.asarray(logs, np.float64), weights)
