"""p-values of a test statistic by toys, with their uncertainty, and the power of a test.

p = (k + 1)/(n + 1) for k of n toys of the null hypothesis at or above the observed value
(Davison and Hinkley, Bootstrap Methods, 1997, equation 4.11).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Measurement

Floats = NDArray[np.float64]
#: Probability of one standard deviation.
_ONE_SIGMA = 0.6827


@dataclass(frozen=True)
class PValue:
    """The p-value of an observed test statistic.

    observed     value of the statistic, large for a deviation from the null.
    exceeding    number of toys at or above it.
    toys         number of toys.
    chi_squared  p-value from the χ² distribution that was fitted to the toys, NaN without one.
    degrees      of freedom of this distribution.
    goodness     p-value of the Kolmogorov–Smirnov test of the toys against it.
    """

    observed: float
    exceeding: int
    toys: int
    chi_squared: float
    degrees: float
    goodness: float

    @property
    def value(self) -> Measurement:
        """The p-value with its Clopper–Pearson interval of 68 %."""
        p = (self.exceeding + 1) / (self.toys + 1)
        low, high = clopper_pearson(self.exceeding, self.toys)
        return Measurement(p, (high - low) / 2, interval=(min(low, p), max(high, p)))

    @property
    def significance(self) -> Measurement:
        """Z = Φ⁻¹(1 − p), one-sided, a lower limit at 95 % if no toy is above the observation."""
        if not self.exceeding:
            return Measurement(z_score(clopper_pearson(0, self.toys, 0.90)[1]), limit=True)
        p = self.value
        low, high = clopper_pearson(self.exceeding, self.toys)
        ends = z_score(high), z_score(max(low, 1e-300))
        return Measurement(z_score(p.value), (ends[1] - ends[0]) / 2)


def p_value(observed: float, null: Floats) -> PValue:
    """Return the p-value of a statistic.

    observed  its value.
    null      (toys,) its values under the null hypothesis; a large one is a deviation.

    A χ² distribution is fitted by its mean where all values are positive and their variance is
    that of a χ², 2⟨t⟩, within a factor 3.
    """
    from scipy import stats

    exceeding, mean = int(np.sum(null >= observed)), float(np.mean(null))
    tail = goodness = degrees = math.nan
    if len(null) > 1 and np.min(null) > 0 and 1 / 3 < np.var(null, ddof=1) / (2 * mean) < 3:
        degrees = mean
        tail = float(stats.chi2.sf(observed, degrees))
        goodness = float(stats.kstest(null, stats.chi2(degrees).cdf).pvalue)
    return PValue(observed, exceeding, len(null), tail, degrees, goodness)


def p_values(observed: Floats, null: Floats) -> Floats:
    """Return the p-value of each of several observed values, (observed,)."""
    order = np.sort(null)
    exceeding = len(order) - np.searchsorted(order, observed, "left")
    found: Floats = (exceeding + 1) / (len(order) + 1)
    return found


def power(observed: Floats, null: Floats, size: float) -> Measurement:
    """Return the share of toys with a signal whose p-value is at most the size of the test."""
    found = p_values(observed, null) <= size
    count, total = int(found.sum()), len(found)
    low, high = clopper_pearson(count, total)
    return Measurement(count / total, (high - low) / 2)


def uniformity(observed: Floats, null: Floats) -> float:
    """Return the p-value of the two-sample KS test of toys against others of the null.

    It is that of the uniformity of their p-values, in which the number of toys of both counts.
    """
    from scipy import stats

    return float(stats.ks_2samp(observed, null).pvalue)


def clopper_pearson(count: int, total: int, level: float = _ONE_SIGMA) -> tuple[float, float]:
    """Return the central Clopper–Pearson interval of a binomial probability."""
    from scipy import stats

    alpha = (1 - level) / 2
    low = float(stats.beta.ppf(alpha, count, total - count + 1)) if count else 0.0
    high = float(stats.beta.isf(alpha, count + 1, total - count)) if count < total else 1.0
    return low, high


def z_score(p: float) -> float:
    """Return Φ⁻¹(1 − p)."""
    from scipy import stats

    return float(stats.norm.isf(p))
