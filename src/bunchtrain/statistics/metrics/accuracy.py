"""Accuracy: the fraction of events whose most probable class is the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import efficiency
from bunchtrain.statistics.metrics.measurement import Measurement


def accuracy(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the fraction of right decisions, from scores (events, classes) and truth (events,)."""
    return efficiency(np.argmax(scores, axis=1) == truth, weights)
