"""Quantiles of weighted values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import Floats, ones_or


def quantile(values: NDArray[Any], at: Any, weights: NDArray[Any] | None = None) -> Floats:
    """Return the values below which fractions `at` of the weight lie, in the values' unit.

    Half of the weight of an event counts as below it; linear in between.
    """
    order = np.argsort(values)
    w = ones_or(weights, len(values))[order]
    below = np.cumsum(w) - w / 2
    return np.asarray(np.interp(at, below / w.sum(), np.asarray(values)[order]), np.float64)
