"""Correlations: of pixels with a network's output (arXiv:1511.05190), and of ranks.

The former is Pearson's, of the intensity I of each pixel with the output s over all events,

    r = Σ w (I − Ī)(s − s̄) / √(Σ w (I − Ī)² Σ w (s − s̄)²).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Floats, as_weights


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


def rank_correlation(values: NDArray[Any]) -> Floats:
    """Return Spearman's correlation of rows (rows, events), (rows, rows); 0 of constant rows."""
    from scipy.stats import rankdata  # which takes half a second

    with np.errstate(invalid="ignore"):
        matrix = np.corrcoef(rankdata(values, axis=1))
    return np.asarray(np.nan_to_num(matrix), np.float64)
