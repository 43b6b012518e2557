"""Linearity: whether the prediction grows with the truth, everywhere in its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.bias import bias
from bunchtrain.statistics.metrics.efficiency import Floats, ones_or
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.quantile import quantile
from bunchtrain.statistics.metrics.resolution import half_width


def linearity(
    prediction: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the slope of the least-squares line of prediction against truth, both (events,).

    The error is that of White: √(Σ w² x² r²)/Σ w x², for truths x about their mean and
    residuals r from the line, which holds for any dependence of the resolution on x.
    """
    w = ones_or(weights, len(truth))
    x = truth - np.average(truth, weights=w)
    y = prediction - np.average(prediction, weights=w)
    spread = float(np.sum(w * x**2))
    if spread == 0:
        return Measurement(np.nan)
    slope = float(np.sum(w * x * y)) / spread
    return Measurement(slope, float(np.sqrt(np.sum((w * x * (y - slope * x)) ** 2)) / spread))


@dataclass(frozen=True)
class Profile:
    """Bias and resolution in bins of the truth, in the unit of the residuals."""

    edges: Floats  # (bins + 1,)
    centre: Floats  # (bins,) median truth
    bias: list[Measurement]  # one a bin; NaN where fewer than two events are
    resolution: list[Measurement]


def profile(
    residuals: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    bins: int = 12,
) -> Profile:
    """Return bias and half 68 % width of residuals (events,) in bins of truth of equal counts."""
    w = ones_or(weights, len(truth))
    edges = np.unique(quantile(truth, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, truth, "right") - 1, 0, max(len(edges) - 2, 0))
    chosen = [np.flatnonzero(place == k) for k in range(len(edges) - 1)]
    usable = [k if len(k) > 1 and w[k].sum() > 0 else None for k in chosen]
    none = Measurement(np.nan)
    return Profile(
        edges,
        np.array([np.nan if k is None else quantile(truth[k], 0.5, w[k]) for k in usable]),
        [none if k is None else bias(residuals[k], w[k]) for k in usable],
        [none if k is None else half_width(residuals[k], w[k]) for k in usable],
    )
