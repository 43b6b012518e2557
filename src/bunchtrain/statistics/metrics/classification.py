"""Metrics of class probabilities: accuracy, confusion matrix, log loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import efficiency, efficiency_error
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.sample import Floats, as_weights, mean


def accuracy(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the fraction of right decisions, from scores (events, classes) and truth (events,)."""
    return efficiency(np.argmax(scores, axis=1) == truth, weights)


def log_loss(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return ⟨−log p_y⟩ of probabilities (events, classes) for true classes y (events,).

    Probabilities below 1e-30 count as 1e-30.
    """
    p = np.take_along_axis(np.asarray(scores, np.float64), truth[:, None], 1)[:, 0]
    return mean(-np.log(np.maximum(p, 1e-30)), weights)


def confusion_matrix(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[Floats, Floats]:
    """Return the fractions (true class, predicted class), whose rows sum to 1, and their errors.

    scores   (events, classes).
    truth    (events,) index of the true class.
    weights  (events,) or None for equal weights.

    Rows of classes without events are NaN.
    """
    classes = scores.shape[1]
    w = as_weights(weights, len(scores))
    cell = np.asarray(truth, np.int64) * classes + np.argmax(scores, axis=1)
    sums, squares = (np.bincount(cell, x, classes**2).reshape(classes, classes) for x in (w, w**2))
    total, total_squares = sums.sum(axis=1, keepdims=True), squares.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / total, efficiency_error(sums, squares, total, total_squares)
