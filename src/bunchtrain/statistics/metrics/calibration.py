"""Calibration of a probability: the observed fraction of signal in bins of the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bunchtrain.statistics.metrics.efficiency import efficiency_error
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.sample import Floats, as_weights

#: Distance in probability up to which gaps, with falling weights, decide the sign of another one.
REACH = 0.25
#: Ratio of a gap to its error above which its own sign is certain.
CERTAIN = 3.0
#: Fluctuations of all gaps, for the error of the expected calibration error.
DRAWS = 500


@dataclass(frozen=True)
class Calibration:
    """Mean predicted probability p and observed fraction in bins of the prediction.

    predicted      (filled bins,).
    observed       (filled bins,).
    error          of the observed fraction.
    share          fraction of all events, by weight.
    gap_error      of observed − predicted, √Σ w²(r − r̄)²/Σw of the residuals r = y − p.
    perfect_error  the same for a perfectly calibrated p, √Σ w² p(1 − p)/Σw.
    """

    predicted: Floats
    observed: Floats
    error: Floats
    share: Floats
    gap_error: Floats
    perfect_error: Floats

    @property
    def expected_error(self) -> Measurement:
        """Expected calibration error Σ_b s_b |δ_b| of shares s and true gaps δ, without bias.

        The plain sum of |observed − predicted| (arXiv:1706.04599) is never 0, since gaps fluctuate
        (arXiv:1909.10155). Here it is that of a test set in two random halves of which one gives
        the sign and the other the size of each gap, averaged over all divisions. Its expectation
        is 0 for a perfect calibration, so that it may be negative, and the plain sum for gaps well
        above their errors. The sign is that of the mean of neighbouring gaps.
        """
        gap = self.observed - self.predicted
        value, certainty = self._sum_of_gaps(gap)
        sigma = self.perfect_error + certainty * (self.gap_error - self.perfect_error)
        drawn = certainty * gap + sigma * _unit_draws(len(gap))
        replicas, _ = self._sum_of_gaps(drawn)
        return Measurement(float(value), float(np.std(replicas, ddof=1)))

    def _sum_of_gaps(self, gap: Floats) -> tuple[Floats, Floats]:
        """Return Σ_b s_b ⟨sign(A_b) B_b⟩ of gaps (…, bins), and the certainty of each sign, 0 to 1.

        A half of the events has the gaps g ± z with z of the same error σ as g. With the local mean
        h = K g, of error σ_h, and c the covariance of g_b and h_b, the mean over z is
        g (2Φ(h/σ_h) − 1) − 2 c/σ_h φ(h/σ_h); above three errors it is |g|.
        """
        sigma, tiny = self.perfect_error, np.finfo(float).tiny
        distance = np.abs(np.subtract.outer(self.predicted, self.predicted))
        kernel = np.clip(1 - distance / REACH, 0, None) * self.share
        spread = np.maximum(np.sqrt(kernel**2 @ sigma**2), tiny)
        ratio = np.clip(gap @ kernel.T / spread, -40, 40)
        covariance = np.diag(kernel) * sigma**2 / spread
        density = np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
        terms = gap * (2 * ndtr(ratio) - 1) - 2 * covariance * density
        own = np.abs(gap) > CERTAIN * sigma
        certainty = 1 - np.exp(-(np.maximum(np.abs(ratio) - 2, 0) ** 2) / 2)
        return np.where(own, np.abs(gap), terms) @ self.share, np.where(own, 1.0, certainty)


def _unit_draws(bins: int) -> Floats:
    """Return Gaussian draws (DRAWS, bins) of mean 0 and with the unit matrix as covariance."""
    drawn = np.random.default_rng(1).normal(size=(DRAWS, bins))
    orthonormal, _ = np.linalg.qr(drawn - drawn.mean(0))
    return np.asarray(orthonormal * np.sqrt(DRAWS - 1), np.float64)


def calibration(
    probability: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
    bins: int = 20,
) -> Calibration:
    """Return the calibration curve in bins of equal width.

    probability  (events,) predicted probability of signal.
    truth        (events,) bool, True for signal.
    weights      (events,) or None for equal weights.
    bins         Number of bins between 0 and 1; those without weight are left out.
    """
    p, w = np.asarray(probability, np.float64), as_weights(weights, len(probability))
    index = np.clip((p * bins).astype(int), 0, bins - 1)
    is_signal = np.asarray(truth, bool)
    signal = w * is_signal
    total, squares, passed, passed_squares, sum_p, perfect = (
        np.bincount(index, x, bins) for x in (w, w**2, signal, signal**2, w * p, w**2 * p * (1 - p))
    )
    filled = total > 0
    norm_of = np.where(filled, total, 1.0)
    residual = is_signal - p - ((passed - sum_p) / norm_of)[index]
    scatter = np.bincount(index, (w * residual) ** 2, bins)
    total, squares, passed = total[filled], squares[filled], passed[filled]
    return Calibration(
        sum_p[filled] / total,
        passed / total,
        efficiency_error(passed, passed_squares[filled], total, squares),
        total / total.sum(),
        np.sqrt(scatter[filled]) / total,
        np.sqrt(np.maximum(perfect[filled], 0)) / total,
    )
