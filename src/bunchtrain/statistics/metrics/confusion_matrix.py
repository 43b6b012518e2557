"""The confusion matrix: how often each true class is taken for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import Floats, efficiency_error, ones_or


def confusion_matrix(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[Floats, Floats]:
    """Return the fractions (true class, decided class), whose rows sum to 1, and their errors.

    Args:
        scores: (events, classes).
        truth: (events,) index of the true class.
        weights: (events,) or None for equal weights.

    Rows of classes without events are NaN.
    """
    classes = scores.shape[1]
    w = ones_or(weights, len(scores))
    place = np.asarray(truth, np.int64) * classes + np.argmax(scores, axis=1)
    passed, squares = (
        np.bincount(place, x, classes**2).reshape(classes, classes) for x in (w, w**2)
    )
    total, total_squares = passed.sum(axis=1, keepdims=True), squares.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return passed / total, efficiency_error(passed, squares, total, total_squares)
