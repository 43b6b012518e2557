"""Weighted samples: weights, effective count, mean, quantiles, widths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.measurement import Measurement

Floats = NDArray[np.float64]

#: Quantiles of a Gaussian at −1 and +1 standard deviation.
LOW, HIGH = 0.158655, 0.841345
#: Asymmetry from which an interval is given whose skewness is estimated: it fluctuates with the
#: value, so that a choice between the two would otherwise spoil the coverage.
ESTIMATED_ASYMMETRY = 0.1


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
    """Return the mean of values (events,), with the error √Σ w²(x − x̄)²/Σw and `interval_of_sum`.

    That holds whatever the weights depend on; for equal weights it is σ/√n.
    """
    w = as_weights(weights, len(values))
    average = float(np.average(values, weights=w))
    parts = w * (np.asarray(values, np.float64) - average)
    if not np.any(parts):
        return Measurement(average, 0.0)
    error, down, up = interval_of_sum(parts / w.sum(), effective_count(np.abs(w)))
    found = Measurement(average, error)
    return found.with_interval(average - down, average + up, ESTIMATED_ASYMMETRY)


def interval_of_sum(parts: Floats, count: float) -> tuple[float, float, float]:
    """Return the error of a sum of independent parts and the two sides of its 68 % interval.

    With s² = Σ p² the error is s z, where z is Student's t of n − 1 degrees of freedom, times
    √(1 + 1/(n − 1)) for the mean that was subtracted and 1 + κ/6 for tails, with the scaled excess
    κ = Σ p⁴/s⁴ − 3/n: so far |T| < 1 is rarer than for a normal distribution (Hall, The Bootstrap
    and Edgeworth Expansion, 1992, section 2.6). With the skewness γ = Σ p³/s³ the sides are those
    of the transformation that removes it, s·3/γ [1 − (1 + γ(∓z − γ/6))^⅓] (Hall, J. R. Stat. Soc. B
    54, 221).

    parts  (events,) contributions of the events less their mean, not all 0.
    count  n, effective number of events.
    """
    largest = float(np.max(np.abs(parts)))
    ratios = parts / largest  # before any power, which underflows in small units
    norm = float(np.linalg.norm(ratios))
    ratios, scale = ratios / norm, largest * norm
    skewness, fourth = float(np.sum(ratios**3)), float(np.sum(ratios**4))
    z = student_t(count) * math.sqrt(1 + 1 / max(count - 1, 1.0))
    z *= 1 + max(fourth - 3 / max(count, 1.0), 0.0) / 6
    if abs(skewness) < 1e-6:
        return scale * z, scale * z, scale * z
    down, up = (
        abs(3 / skewness * (1 - math.cbrt(1 + skewness * (side - skewness / 6))))
        for side in (z, -z)
    )
    return scale * z, scale * down, scale * up


def student_t(count: float) -> float:
    """Return Student's t at one standard deviation for a mean of n values, of n − 1 degrees."""
    return float(stdtrit(max(count - 1, 1.0), HIGH))


def repeated_mean(values: NDArray[Any]) -> Measurement:
    """Return the mean of n repetitions (n,), with the error s t/√n and t of Student for 68.3 %.

    The factor t of n − 1 degrees of freedom is 1.84 for two repetitions, 1.14 for five and 1 for
    many. One repetition has no error, none no value.
    """
    count = len(values)
    if count < 2:
        return Measurement(float(values[0]) if count else math.nan)
    step = student_t(count) * float(np.std(values, ddof=1))
    return Measurement(float(np.mean(values)), step / math.sqrt(count))


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
    """Return σ of residuals r (events,), with the error √Σ w²((r − r̄)² − σ²)²/(2 σ Σw).

    The interval of one standard deviation is the root of that of n/(n − 1) σ², as in
    `interval_of_sum`.
    """
    w = as_weights(weights, len(residuals))
    squares = (residuals - np.average(residuals, weights=w)) ** 2
    variance = float(np.average(squares, weights=w))
    if variance <= 0:
        return Measurement(0.0, 0.0)
    parts, count = w * (squares - variance) / w.sum(), effective_count(np.abs(w))
    if count <= 1 or not np.any(parts):
        return Measurement(variance**0.5, 0.0)
    error, down, up = interval_of_sum(parts, count)
    found, unbiased = Measurement(variance**0.5, error / (2 * variance**0.5)), count / (count - 1)
    low, high = (max(unbiased * end, 0.0) ** 0.5 for end in (variance - down, variance + up))
    return found.with_interval(low, high, ESTIMATED_ASYMMETRY)


def half_width(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return half the width of the central 68.3 % of residuals (events,), robust against tails."""
    value, shifts = _half_width(residuals, weights)
    return Measurement(value, float(np.sqrt((shifts**2).sum())))


def width_ratio(
    residuals: NDArray[Any], others: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the `half_width` of residuals over that of others of the same events, (events,) each.

    Its error is that of two correlated widths: that of a paired bootstrap for many events.
    """
    (value, shifts), (other, beside) = (_half_width(one, weights) for one in (residuals, others))
    if other == 0:
        return Measurement(np.nan, np.nan)
    relative = shifts / other - value / other * (beside / other)
    return Measurement(value / other, float(np.sqrt((relative**2).sum())))


def _half_width(
    residuals: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[float, Floats]:
    """Return the half width of residuals, and by how much each event shifts it, (events,).

    An event shifts a quantile q(p) by q'(p) w (p − 1[r < q])/Σw, whose squares add up to the error
    q'² p(1 − p)/n for equal weights; the slope q' is that between p ± h with h ∝ δ^⅔ for the error
    δ of p, within which the number of events fluctuates little (Hall and Sheather, J. R. Stat.
    Soc. B 50, 381).
    """
    w = as_weights(weights, len(residuals))
    ends = quantile(residuals, [LOW, HIGH], w)
    below = w * (np.asarray(residuals)[None, :] < ends[:, None])
    parts = (np.array([[LOW], [HIGH]]) * w - below) / w.sum()  # (2, events)
    steps = np.sqrt(np.maximum((parts**2).sum(1), np.finfo(float).tiny))
    reach = np.maximum(0.5 * steps ** (2 / 3), steps)
    at = np.clip(np.array([[LOW], [HIGH]]) + np.outer(reach, [-1, 1]), 0, 1)  # (2, down and up)
    around = quantile(residuals, at.ravel(), w).reshape(2, 2)
    low, high = np.diff(around)[:, 0] / np.diff(at)[:, 0]
    return float(ends[1] - ends[0]) / 2, (high * parts[1] - low * parts[0]) / 2
