"""Correlations: of pixels with a network's output (arXiv:1511.05190), and of ranks.

The former is Pearson's, of the intensity I of each pixel with the output s over all events,

    r = Σ w (I − Ī)(s − s̄) / √(Σ w (I − Ī)² Σ w (s − s̄)²).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Floats, Measurement, as_weights, effective_count


def mean_image(images: NDArray[Any], weights: NDArray[Any] | None = None) -> Floats:
    """Return Σ w I / Σ w, (channel, row, column), of images (events, channel, row, column)."""
    w = as_weights(weights, len(images))
    return np.asarray(np.tensordot(w / w.sum(), images, 1), np.float64)


def output_correlation(
    images: NDArray[Any], output: NDArray[Any], weights: NDArray[Any] | None = None
) -> Floats:
    """Return r of each pixel, (channel, row, column); 0 where the intensity is constant.

    images   (events, channel, row, column).
    output   (events,), as the probability of the signal.
    weights  (events,) or None for equal weights.
    """
    w = as_weights(weights, len(images))
    w = w / w.sum()
    output = np.asarray(output, np.float64) - w @ output
    mean = np.tensordot(w, images, 1)
    covariance = np.tensordot(w * output, images, 1)  # Σ w (s − s̄) = 0
    variance = np.tensordot(w, np.square(images, dtype=np.float64), 1) - mean**2
    scale = np.sqrt(np.maximum(variance, 0) * (w @ output**2))
    varies = variance > 1e-12 * np.maximum(mean**2, 1e-30)
    return np.where(varies & (scale > 0), covariance / np.where(scale > 0, scale, 1), 0.0)


def rank_correlation_of(
    x: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return Spearman's ρ of x and y (events,), with the error √Σ w² ψ²/Σw of its influence ψ.

    With weighted ranks F and G, 0 to 1 and of ties their mean, ρ is the correlation of F and G,
    and ψ_i ∝ F_i G_i + ⟨[x ≥ x_i] G⟩ + ⟨[y ≥ y_i] F⟩ − 3⟨FG⟩, which includes that the ranks vary
    with the events; of normal x and y and equal weights it is nearly (1 − ρ²)√((1 + ρ²/2)/n).

    Raises DataError if the weights do not fit the events.
    """
    w = as_weights(weights, len(x))
    total = w.sum()
    if not total > 0 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Measurement(np.nan)
    f, g = (_ranks(one, w) for one in (x, y))
    u, v = f - 0.5, g - 0.5
    scale = np.sqrt((w @ u**2) * (w @ v**2)) / total
    product = float(w @ (u * v)) / total
    influence = u * v + _mean_above(x, w, v) + _mean_above(y, w, u) - 3 * product
    count = effective_count(w)
    error = np.sqrt(np.sum((w * influence) ** 2)) / (total * scale)
    return Measurement(product / scale, float(error * np.sqrt(count / max(count - 1, 1.0))))


def _ranks(values: NDArray[Any], weights: Floats) -> Floats:
    """Return the fraction of the weight below each value, half of that of equal ones included."""
    _, index = np.unique(values, return_inverse=True)
    sums = np.bincount(index, weights)
    return np.asarray((np.cumsum(sums) - sums / 2)[index] / weights.sum(), np.float64)


def _mean_above(values: NDArray[Any], weights: Floats, other: Floats) -> Floats:
    """Return Σ_j w_j [x_j > x_i] v_j/Σw of each event i, half of equal ones included."""
    _, index = np.unique(values, return_inverse=True)
    sums = np.bincount(index, weights * other)
    above = sums.sum() - np.cumsum(sums) + sums / 2
    return np.asarray(above[index] / weights.sum(), np.float64)


def rank_correlation(values: NDArray[Any]) -> Floats:
    """Return Spearman's correlation of rows (rows, events), (rows, rows); 0 of constant rows."""
    from scipy.stats import rankdata  # which takes half a second

    with np.errstate(invalid="ignore"):
        matrix = np.corrcoef(rankdata(values, axis=1))
    return np.asarray(np.nan_to_num(matrix), np.float64)
