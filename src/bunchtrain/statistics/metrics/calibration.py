"""Calibration: whether events of predicted probability p are signal in a fraction p of cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import Floats, efficiency_error, ones_or
from bunchtrain.statistics.metrics.measurement import Measurement


@dataclass(frozen=True)
class Calibration:
    """Mean predicted probability and observed fraction in bins of the prediction."""

    predicted: Floats  # (filled bins,)
    observed: Floats
    error: Floats
    share: Floats  # fraction of all events, by weight

    @property
    def expected_error(self) -> Measurement:
        """Expected calibration error, Σ share·|observed − predicted| (arXiv:1706.04599)."""
        gap = np.abs(self.observed - self.predicted)
        spread = np.sqrt(np.sum((self.share * self.error) ** 2))
        return Measurement(float(np.sum(self.share * gap)), float(spread))


def calibration(
    probability: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    bins: int = 20,
) -> Calibration:
    """Return the calibration curve in bins of equal width.

    Args:
        probability: (events,) predicted probability of signal.
        truth: (events,) bool, True for signal.
        weights: (events,) or None for equal weights.
        bins: Number of bins between 0 and 1; those without weight are left out.
    """
    p, w = np.asarray(probability, np.float64), ones_or(weights, len(probability))
    place = np.clip((p * bins).astype(int), 0, bins - 1)
    signal = w * np.asarray(truth, bool)
    total, squares, passed, passed_squares, sum_p = (
        np.bincount(place, x, bins) for x in (w, w**2, signal, signal**2, w * p)
    )
    filled = total > 0
    total, squares, passed = total[filled], squares[filled], passed[filled]
    error = efficiency_error(passed, passed_squares[filled], total, squares)
    return Calibration(sum_p[filled] / total, passed / total, error, total / total.sum())
