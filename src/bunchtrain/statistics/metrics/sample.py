"""Weighted samples: weights, effective count, mean, quantiles, widths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.measurement import Measurement

Floats = NDArray[np.float64]

#: Quantiles of a Gaussian at −1 and +1 standard deviation.
LOW, HIGH = 0.158655, 0.841345


def as_weights(weights: NDArray[Any] | None, count: int) -> Floats:
    """Return the weights (events,) as doubles, ones if there are none.

    Raises DataError if their number is not `count` or one of them is not finite.
    """
    if weights is None:
        return np.ones(count)
    weights = np.asarray(weights, np.float64)
    if weights.shape != (count,):
        raise DataError(f"there are {count} events but weights of shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise DataError(f"the weight of event {np.argmin(np.isfinite(weights))} is not finite")
    return weights


def effective_count(weights: NDArray[Any]) -> float:
    """Return (Σw)² / Σw², the number of unweighted events of the same precision."""
    squares = float(np.sum(np.square(weights)))
    return float(np.sum(weights)) ** 2 / squares if squares else 0.0


def mean(values: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the mean of values (events,), with the error σ/√n for the effective count n."""
    w = as_weights(weights, len(values))
    average = np.average(values, weights=w)
    std = np.sqrt(np.average((values - average) ** 2, weights=w))
    return Measurement(float(average), float(std / np.sqrt(effective_count(w))))


def binned_mean(
    y: NDArray[Any], x: NDArray[Any], edges: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the weighted mean of y in bins of x and its error, (bins,) each.

    σ² = Σ w² (y − mean)² / (Σ w)²; NaN in bins with fewer than two events.
    """
    inside = (x >= edges[0]) & (x < edges[-1])
    index = np.searchsorted(edges, x[inside], side="right") - 1
    y, w, bins = y[inside], weights[inside], len(edges) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.bincount(index, w, bins)
        average = np.bincount(index, w * y, bins) / total
        error = np.sqrt(np.bincount(index, w**2 * (y - average[index]) ** 2, bins)) / total
    few = np.bincount(index, minlength=bins) < 2
    return np.where(few, np.nan, average), np.where(few, np.nan, error)


def quantile(values: NDArray[Any], at: Any, weights: NDArray[Any] | None = None) -> Floats:
    """Return the quantiles of weighted values (events,) at fractions `at`.

    An event counts with half of its weight as below its own value; linear in between.
    """
    order = np.argsort(values)
    w = as_weights(weights, len(values))[order]
    below = np.cumsum(w) - w / 2
    return np.asarray(np.interp(at, below / w.sum(), np.asarray(values)[order]), np.float64)


def standard_deviation(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return σ of residuals (events,), with the error √((μ₄ − σ⁴)/(4 σ² n))."""
    w = as_weights(weights, len(residuals))
    squares = (residuals - np.average(residuals, weights=w)) ** 2
    variance = float(np.average(squares, weights=w))
    fourth = float(np.average(squares**2, weights=w))
    if variance == 0:
        return Measurement(0.0, 0.0)
    error_squared = max(fourth - variance**2, 0.0) / (4 * variance * effective_count(w))
    return Measurement(variance**0.5, error_squared**0.5)


def half_width(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return half the width of the central 68.3 % of residuals (events,), robust against tails.

    A quantile q(p) has the error [q(p + δ) − q(p − δ)]/2 with δ = √(p(1 − p)/n); the two ends
    are correlated by p/(1 − p), p the lower of them.
    """
    count = effective_count(as_weights(weights, len(residuals)))
    step = np.sqrt(LOW * (1 - LOW) / count)
    at = [p + d for p in (LOW, HIGH) for d in (-step, 0.0, step)]
    ends = quantile(residuals, np.clip(at, 0, 1), weights).reshape(2, 3)
    low, high = (ends[:, 2] - ends[:, 0]) / 2
    variance = low**2 + high**2 - 2 * LOW / (1 - LOW) * low * high
    return Measurement(float(ends[1, 1] - ends[0, 1]) / 2, float(np.sqrt(variance) / 2))
