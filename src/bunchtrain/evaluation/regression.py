"""All figures of one regressed value on the test set, under the stable names of `metrics.json`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.evaluation.metrics import (
    bias,
    half_width,
    linearity,
    pull,
    pull_mean,
    pull_width,
    standard_deviation,
)
from bunchtrain.evaluation.metrics.figure import Metrics


def measure_regression(
    prediction: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    sigma: NDArray[Any] | None = None,
) -> Metrics:
    """Return every figure of one regressed value as `{name: {value, error}}`.

    `bias`, `resolution` (σ) and `half_width` are of predicted − true in its unit; `linearity` is
    the slope; `response` and `response_width` are of predicted/true, if all truths are positive;
    `pull_mean` and `pull_width` are given if σ is predicted.

    Args:
        prediction: (events,).
        truth: (events,) in the same unit.
        weights: (events,) or None for equal weights.
        sigma: (events,) predicted standard deviations, or None.

    Raises:
        DataError: shapes do not fit, a prediction is not finite, or σ is not positive.
    """
    if prediction.shape != truth.shape:
        raise DataError(f"{prediction.shape} predictions do not fit {truth.shape} truths")
    if not np.isfinite(prediction).all():
        entry = int(np.argmin(np.isfinite(prediction)))
        raise DataError(f"the prediction of event {entry} is not finite: the training has diverged")
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    figures = {
        "bias": bias(prediction - truth, weights),
        "resolution": standard_deviation(prediction - truth, weights),
        "half_width": half_width(prediction - truth, weights),
        "linearity": linearity(prediction, truth, weights),
    }
    if (truth > 0).all():
        figures["response"] = bias(prediction / truth, weights)
        figures["response_width"] = half_width(prediction / truth, weights)
    if sigma is not None:
        pulls = pull(prediction, truth, sigma)
        figures |= {
            "pull_mean": pull_mean(pulls, weights),
            "pull_width": pull_width(pulls, weights),
        }
    return {name: figure.as_dict() for name, figure in figures.items()}
