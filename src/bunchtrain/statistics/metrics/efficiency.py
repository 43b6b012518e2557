"""Efficiency: the fraction of events that pass a cut, with its binomial error.

For weights w the variance of ε = Σ_pass w / Σ w is
σ² = [(1 − ε)² Σ_pass w² + ε² Σ_fail w²] / (Σ w)², which is ε(1 − ε)/n for equal weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.sample import Floats, as_weights

#: Probabilities below −1 and +1 standard deviation of a Gaussian.
TAILS = (float(ndtr(-1)), float(ndtr(1)))


def efficiency_error(passed: Any, passed_squares: Any, total: Any, total_squares: Any) -> Floats:
    """Return the error of passed/total from sums of weights and of their squares.

    It is never below that of one event, so that 0 and 1 are not taken for exact.
    """
    fraction = np.divide(passed, total)
    failed_squares = np.maximum(np.subtract(total_squares, passed_squares), 0.0)
    variance = np.square(1 - fraction) * passed_squares + np.square(fraction) * failed_squares
    one_event = 1 / (np.square(total) / total_squares + 1)
    return np.asarray(np.maximum(np.sqrt(variance) / np.abs(total), one_event), np.float64)


def efficiency_interval(value: float, error: float) -> tuple[float, float]:
    """Return the 68 % interval of an efficiency ε with an error σ.

    It is Jeffreys', between quantiles of a beta distribution of nε + ½ and n(1 − ε) + ½, with the
    effective number of events n = ε(1 − ε)/σ², or n = 1/σ where ε is 0 or 1
    (Brown et al., Statist. Sci. 16, 101).
    """
    fraction = min(max(value, 0.0), 1.0)
    variance = fraction * (1 - fraction)
    count = variance / error**2 if variance > 0 else 1 / error
    low, high = betaincinv(count * fraction + 0.5, count * (1 - fraction) + 0.5, TAILS)
    return min(float(low), value), max(float(high), value)


def efficiency(passed: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the fraction of events that pass.

    passed   (events,) bool.
    weights  (events,) or None for equal weights.

    Raises DataError if there is no event, or the weights sum to zero.
    """
    w = as_weights(weights, len(passed))
    total = w.sum()
    if total == 0:
        raise DataError("an efficiency needs events, and their weights sum to zero")
    accepted = w * np.asarray(passed, bool)
    value = float(accepted.sum() / total)
    error = float(efficiency_error(accepted.sum(), np.sum(accepted**2), total, np.sum(w**2)))
    return Measurement(value, error).with_interval(*efficiency_interval(value, error))


@dataclass(frozen=True)
class BinnedEfficiency:
    """Efficiency in bins of a variable with its 68 % Wilson interval; NaN in empty bins."""

    edges: Floats  # (bins + 1,)
    value: Floats  # (bins,)
    low: Floats
    high: Floats


def binned_efficiency(
    passed: NDArray[Any],
    variable: NDArray[Any],
    edges: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> BinnedEfficiency:
    """Return the efficiency in bins of `variable` (events,), whose unit is that of the edges."""
    w = as_weights(weights, len(passed))
    accepted = w * np.asarray(passed, bool)
    total, sums, squares, passed_squares = (
        np.histogram(variable, edges, weights=x)[0] for x in (w, accepted, w**2, accepted**2)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(total > 0, sums / total, np.nan)
        failed_squares = np.maximum(squares - passed_squares, 0)
        variance = ((1 - value) ** 2 * passed_squares + value**2 * failed_squares) / total**2
        count = np.where(variance > 0, value * (1 - value) / variance, total**2 / squares)
        low, high = wilson_interval(value, np.where(count > 0, count, total**2 / squares))
    return BinnedEfficiency(np.asarray(edges, np.float64), value, low, high)


def wilson_interval(fraction: Floats, count: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the 68 % Wilson score interval of k/n for effective counts n."""
    fraction = np.clip(fraction, 0, 1)
    centre = (fraction + 0.5 / count) / (1 + 1 / count)
    half = np.sqrt(fraction * (1 - fraction) / count + 0.25 / count**2) / (1 + 1 / count)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)
