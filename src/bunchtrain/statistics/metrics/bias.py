"""Bias: the mean of predicted minus true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import effective_count, ones_or
from bunchtrain.statistics.metrics.measurement import Measurement


def bias(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the mean of residuals (events,), with the error σ/√n for effective counts n."""
    w = ones_or(weights, len(residuals))
    mean = np.average(residuals, weights=w)
    deviation = np.sqrt(np.average((residuals - mean) ** 2, weights=w))
    return Measurement(float(mean), float(deviation / np.sqrt(effective_count(w))))
