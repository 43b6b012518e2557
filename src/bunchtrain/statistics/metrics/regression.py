"""Metrics of a regressed value: bias, linearity, pulls, coverage, resolution in bins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.efficiency import efficiency
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.sample import (
    Floats,
    as_weights,
    half_width,
    mean,
    quantile,
    standard_deviation,
)

#: Shares of events that intervals are quoted for.
LEVELS = (0.68, 0.95)


def bias(residuals: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the mean of predicted − true (events,), with its error."""
    return mean(residuals, weights)


def linearity(
    prediction: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the slope of the least-squares line of prediction against truth, both (events,).

    The error is that of White: √(Σ w² x² r²)/Σ w x², for truths x about their mean and
    residuals r from the line, which holds for any dependence of the resolution on x. Residuals are
    divided by 1 − h, h = w x²/Σ w x² + w/Σ w, for few events (HC3, J. Econometrics 29, 305).
    """
    w = as_weights(weights, len(truth))
    x = truth - np.average(truth, weights=w)
    y = prediction - np.average(prediction, weights=w)
    squares = float(np.sum(w * x**2))
    if squares == 0:
        return Measurement(np.nan)
    slope = float(np.sum(w * x * y)) / squares
    leverage = np.clip(w * x**2 / squares + w / w.sum(), None, 0.9)
    parts = w * x * (y - slope * x) / (1 - leverage)
    return Measurement(slope, float(np.sqrt(np.sum(parts**2)) / squares))


@dataclass(frozen=True)
class Profile:
    """Bias and resolution in bins of the truth, in the unit of the residuals."""

    edges: Floats  # (bins + 1,)
    centre: Floats  # (bins,) median truth
    bias: list[Measurement]  # one a bin; NaN with fewer than two events
    resolution: list[Measurement]


def profile(
    residuals: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    bins: int = 12,
) -> Profile:
    """Return bias and half 68 % width of residuals (events,) in bins of truth of equal counts."""
    w = as_weights(weights, len(truth))
    edges = np.unique(quantile(truth, np.linspace(0, 1, bins + 1)))
    index = np.clip(np.searchsorted(edges, truth, "right") - 1, 0, max(len(edges) - 2, 0))
    chosen = [np.flatnonzero(index == k) for k in range(len(edges) - 1)]
    usable = [k if len(k) > 1 and w[k].sum() > 0 else None for k in chosen]
    none = Measurement(np.nan)
    return Profile(
        edges,
        np.array([np.nan if k is None else quantile(truth[k], 0.5, w[k]) for k in usable]),
        [none if k is None else bias(residuals[k], w[k]) for k in usable],
        [none if k is None else half_width(residuals[k], w[k]) for k in usable],
    )


def pull(prediction: NDArray[Any], truth: NDArray[Any], sigma: NDArray[Any]) -> Floats:
    """Return the pulls (predicted − true)/σ, (events,); of mean 0 and width 1 for the right σ.

    Raises DataError if a predicted standard deviation is not positive.
    """
    if not np.all(np.asarray(sigma) > 0):
        entry = int(np.argmin(np.asarray(sigma) > 0))
        raise DataError(f"the predicted σ of event {entry} is {sigma[entry]}, not positive")
    return np.asarray((prediction - truth) / sigma, np.float64)


def pull_mean(pulls: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the mean of pulls (events,)."""
    return mean(pulls, weights)


def pull_width(pulls: NDArray[Any], weights: NDArray[Any] | None = None) -> Measurement:
    """Return the standard deviation of pulls (events,)."""
    return standard_deviation(pulls, weights)


def coverage(
    truth: NDArray[Any], low: NDArray[Any], high: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the fraction of truths (events,) in their intervals, with its binomial error."""
    return efficiency((truth >= low) & (truth <= high), weights)


def gaussian_interval(
    prediction: NDArray[Any], sigma: NDArray[Any], level: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the ends of the central interval of a Gaussian with the probability `level`."""
    half = ndtri((1 + level) / 2) * sigma
    return prediction - half, prediction + half


def log_likelihood(pulls: NDArray[Any], sigma: NDArray[Any], weights: Any = None) -> Measurement:
    """Return the mean of log N(y | μ, σ) = −½ [log 2πσ² + pull²], pulls and σ (events,)."""
    logs = -0.5 * (math.log(2 * math.pi) + 2 * np.log(sigma) + np.square(pulls))
    return mean(np.asarray(logs, np.float64), weights)
