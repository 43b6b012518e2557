"""Resolution: the width of predicted minus true, or of predicted over true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import effective_count, ones_or
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.quantile import quantile

LOW, HIGH = 0.158655, 0.841345  # one standard deviation of a Gaussian


def standard_deviation(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return σ of residuals (events,), with the error √((μ₄ − σ⁴)/(4 σ² n))."""
    w = ones_or(weights, len(residuals))
    squares = (residuals - np.average(residuals, weights=w)) ** 2
    variance = float(np.average(squares, weights=w))
    fourth = float(np.average(squares**2, weights=w))
    if variance == 0:
        return Measurement(0.0, 0.0)
    spread = max(fourth - variance**2, 0.0) / (4 * variance * effective_count(w))
    return Measurement(variance**0.5, spread**0.5)


def half_width(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return half the width of the central 68.3 % of residuals, which far tails do not move.

    A quantile q(p) has the error [q(p + δ) − q(p − δ)]/2 with δ = √(p(1 − p)/n); the two ends
    are correlated by p/(1 − p), p the lower of them.
    """
    count = effective_count(ones_or(weights, len(residuals)))
    step = np.sqrt(LOW * (1 - LOW) / count)
    at = [p + d for p in (LOW, HIGH) for d in (-step, 0.0, step)]
    ends = quantile(residuals, np.clip(at, 0, 1), weights).reshape(2, 3)
    low, high = (ends[:, 2] - ends[:, 0]) / 2
    variance = low**2 + high**2 - 2 * LOW / (1 - LOW) * low * high
    return Measurement(float(ends[1, 1] - ends[0, 1]) / 2, float(np.sqrt(variance) / 2))
