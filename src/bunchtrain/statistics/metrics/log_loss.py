"""Log loss: the mean of −log of the probability that was given to the true class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.bias import bias
from bunchtrain.statistics.metrics.measurement import Measurement


def log_loss(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return ⟨−log p_y⟩ of probabilities (events, classes) for true classes y (events,).

    Probabilities below 1e-30 count as 1e-30.
    """
    given = np.take_along_axis(np.asarray(scores, np.float64), truth[:, None], 1)[:, 0]
    return bias(-np.log(np.maximum(given, 1e-30)), weights)
