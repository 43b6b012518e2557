"""Pull: (predicted − true)/σ, which has mean 0 and width 1 if the predicted σ is right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.bias import bias
from bunchtrain.statistics.metrics.efficiency import Floats
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.resolution import standard_deviation


def pull(prediction: NDArray[Any], truth: NDArray[Any], sigma: NDArray[Any]) -> Floats:
    """Return the pulls (events,).

    Raises DataError if a predicted standard deviation is not positive.
    """
    if not np.all(np.asarray(sigma) > 0):
        entry = int(np.argmin(np.asarray(sigma) > 0))
        raise DataError(f"the predicted σ of event {entry} is {sigma[entry]}, not positive")
    return np.asarray((prediction - truth) / sigma, np.float64)


def pull_mean(pulls: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the mean of pulls (events,)."""
    return bias(pulls, weights)


def pull_width(pulls: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the standard deviation of pulls (events,)."""
    return standard_deviation(pulls, weights)
