"""The metrics of one regressed value on the test set, under their names in `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import (
    LEVELS,
    Metrics,
    bias,
    coverage,
    gaussian_interval,
    half_width,
    linearity,
    log_likelihood,
    pull,
    pull_mean,
    pull_width,
    standard_deviation,
    width_ratio,
)

#: Lower and upper ends of an interval, (events,) each.
Interval = tuple[NDArray[Any], NDArray[Any]]


def measure_regression(
    prediction: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    sigma: NDArray[Any] | None = None,
    intervals: Mapping[float, Interval] | None = None,
    baseline: NDArray[Any] | None = None,
) -> Metrics:
    """Return every metric of one regressed value as `{name: {value, error}}`.

    `bias`, `resolution` (σ) and `half_width` are of predicted − true in its unit; `linearity` is
    the slope of predicted against true. `response` and `response_width` are mean and half 68 %
    width of predicted/true, if all truths are positive. `pull_mean`, `pull_width` and
    `log_likelihood`, per event, are those of (predicted − true)/σ, with a predicted σ.
    `coverage_68`, … are the fractions of truths in the central intervals of that nominal coverage:
    the given ones, or else those of a Gaussian of the predicted σ. `half_width_ratio` and
    `response_width_ratio` are those widths over the widths of a baseline, with the error of the
    same events.

    prediction  (events,).
    truth       (events,) in the same unit.
    weights     (events,) or None for equal weights.
    sigma       (events,) predicted standard deviations, or None.
    intervals   Nominal coverage → lower and upper ends (events,) of an interval.
    baseline    (events,) predictions of another model, or None.

    Raises DataError if shapes do not fit, a prediction is not finite, or σ is not positive.
    """
    if prediction.shape != truth.shape:
        raise DataError(f"{prediction.shape} predictions do not fit {truth.shape} truths")
    if not np.isfinite(prediction).all():
        entry = int(np.argmin(np.isfinite(prediction)))
        raise DataError(f"the prediction of event {entry} is not finite: the training has diverged")
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    found = {
        "bias": bias(prediction - truth, weights),
        "resolution": standard_deviation(prediction - truth, weights),
        "half_width": half_width(prediction - truth, weights),
        "linearity": linearity(prediction, truth, weights),
    }
    if (truth > 0).all():
        found["response"] = bias(prediction / truth, weights)
        found["response_width"] = half_width(prediction / truth, weights)
    if baseline is not None:
        found["half_width_ratio"] = width_ratio(prediction - truth, baseline - truth, weights)
        if (truth > 0).all():
            pair = prediction / truth, baseline / truth
            found["response_width_ratio"] = width_ratio(*pair, weights)
    if sigma is not None:
        pulls = pull(prediction, truth, sigma)
        found |= {
            "pull_mean": pull_mean(pulls, weights),
            "pull_width": pull_width(pulls, weights),
            "log_likelihood": log_likelihood(pulls, np.asarray(sigma, np.float64), weights),
        }
    ends = dict(intervals or {})
    if sigma is not None:
        ends = {level: gaussian_interval(prediction, sigma, level) for level in LEVELS} | ends
    for level, (low, high) in sorted(ends.items()):
        found[f"coverage_{100 * level:g}"] = coverage(truth, low, high, weights)
    return {name: one.as_dict() for name, one in found.items()}
