"""Jensen–Shannon divergence of the background's spectra that pass and fail a cut (sculpting).

JSD(P, Q) = ½ KL(P‖M) + ½ KL(Q‖M) in bits, M = (P + Q)/2, of the spectra P and Q in a column: 0 for
the same shape, 1 for disjoint spectra. 1/JSD50, at a signal efficiency of 50 %, is the metric of
decorrelation that is quoted with R50 (ATL-PHYS-PUB-2018-014, arXiv:2001.05310).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.roc import roc
from bunchtrain.statistics.metrics.sample import ESTIMATED_ASYMMETRY, Floats, as_weights


def jensen_shannon(
    values: NDArray[Any],
    passed: NDArray[Any],
    edges: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> Measurement:
    """Return the divergence, in bits, of the spectra of the events that pass and that fail.

    For equal spectra in B bins its expectation is c (B − 1), not 0, and its standard deviation
    c √(2(B − 1)), with c = (1/n_P + 1/n_Q)/(8 ln 2): such values are compatible with no difference.
    The error is σ² = Σ_b (∂JSD/∂n_b)² Σ_{i in b} w_i² − 2(B − 1)c², the last term being the mean
    contribution of fluctuations (JSD is a non-central χ² for small differences), and at least that
    standard deviation.

    values   (events,) of the column; those outside the edges are left out.
    passed   (events,) bool.
    edges    (bins + 1,) in the unit of the column.
    weights  (events,) or None for equal weights.

    Raises DataError if no event passes, or none fails, inside the edges.
    """
    w, passed = as_weights(weights, len(values)), np.asarray(passed, bool)
    sums, squares = np.zeros((2, 2, len(edges) - 1))
    for side, chosen in enumerate((passed, ~passed)):
        sums[side] = np.histogram(values[chosen], edges, weights=w[chosen])[0]
        squares[side] = np.histogram(values[chosen], edges, weights=w[chosen] ** 2)[0]
    totals = sums.sum(1)
    for name, total in zip(("passes", "fails"), totals, strict=True):
        if total <= 0:
            raise DataError(
                f"the Jensen–Shannon divergence needs both spectra, and no event {name}; choose "
                "another cut or other edges"
            )
    spectra = sums / totals[:, None]
    logs = _log_ratios(spectra)
    divergences = (spectra * logs).sum(1)  # of each spectrum from their mean
    slopes = (logs - divergences[:, None]) / (2 * totals[:, None])
    linear = (slopes**2 * squares).sum()
    filled = int((sums.sum(0) > 0).sum())
    scale = (squares.sum(1) / totals**2).sum() / (8 * np.log(2))
    noise = 2 * (filled - 1) * scale**2
    return Measurement(float(divergences.mean()), float(np.sqrt(max(linear - noise, noise))))


def _log_ratios(spectra: Floats) -> Floats:
    """Return log₂ of each spectrum over their mean, (2, bins); 0 in empty bins."""
    mixture = np.broadcast_to(spectra.mean(0), spectra.shape)
    ratio = np.divide(spectra, mixture, out=np.ones_like(spectra), where=spectra > 0)
    return np.asarray(np.log2(ratio), np.float64)


def inverse_jensen_shannon(
    scores: NDArray[Any],
    truth: NDArray[Any],
    values: NDArray[Any],
    edges: NDArray[Any],
    efficiency: float = 0.5,
    weights: NDArray[Any] | None = None,
) -> Measurement:
    """Return 1/JSD of the background that passes and fails at a signal efficiency.

    Its interval is that of JSD, whose fluctuations are nearly normal.

    scores      (events,), large for signal.
    truth       (events,) bool, True for signal.
    values      (events,) of the column.
    edges       (bins + 1,) in the unit of the column.
    efficiency  Signal efficiency of the cut; 0.5 gives 1/JSD50.
    weights     (events,) or None for equal weights.

    Raises DataError if a score is NaN, a class or one side of the cut has no events, or JSD is 0.
    """
    scores, truth = np.asarray(scores), np.asarray(truth, bool)
    w = as_weights(weights, len(scores))
    cut = roc(scores, truth, w).threshold_at(efficiency)
    background = ~truth
    found = jensen_shannon(
        np.asarray(values)[background], scores[background] >= cut, edges, w[background]
    )
    if found.value <= 0:
        raise DataError("1/JSD is infinite: the spectra are the same; choose more than one bin")
    inverse = Measurement(1 / found.value, found.error / found.value**2)
    if found.error >= found.value:
        return inverse
    ends = 1 / (found.value + found.error), 1 / (found.value - found.error)
    return inverse.with_interval(*ends, ESTIMATED_ASYMMETRY)
