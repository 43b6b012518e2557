"""Discovery significance of s signal over b background events, and the cut that maximises it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bunchtrain.errors import StudyError, nearest
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.roc import Roc
from bunchtrain.statistics.metrics.sample import Floats

#: Replicas of the yields for the bias of the best cut, and cuts among which it is searched.
REPLICAS, POINTS = 50, 400


def s_over_sqrt_b(signal: Any, background: Any) -> Floats:
    """Return s/√b."""
    return np.asarray(signal / np.sqrt(background), np.float64)


def s_over_sqrt_sb(signal: Any, background: Any) -> Floats:
    """Return s/√(s + b)."""
    return np.asarray(signal / np.sqrt(np.add(signal, background)), np.float64)


def asimov(signal: Any, background: Any, uncertainty: float = 0.0) -> Floats:
    """Return the median significance √(2[(s + b) ln(1 + s/b) − s]) (arXiv:1007.1727).

    With a relative uncertainty of the background, σ = `uncertainty`·b, it is
    √(2[(s + b) ln((s + b)(b + σ²)/(b² + (s + b)σ²)) − b²/σ² ln(1 + σ²s/(b(b + σ²)))]).
    """
    s, b = np.asarray(signal, np.float64), np.asarray(background, np.float64)
    if uncertainty == 0:
        return np.sqrt(np.maximum(2 * ((s + b) * np.log1p(s / b) - s), 0))
    variance = (uncertainty * b) ** 2
    first = (s + b) * np.log((s + b) * (b + variance) / (b**2 + (s + b) * variance))
    second = b**2 / variance * np.log1p(variance * s / (b * (b + variance)))
    return np.asarray(np.sqrt(np.maximum(2 * (first - second), 0)), np.float64)


def excess_significance(on: Any, off: Any, tau: Any) -> Floats:
    """Return the significance Z of a count n beside m events of a reference, negative below it.

    It is the signed root of the likelihood ratio of two Poisson counts, of which the second has
    τ times the exposure of the first: Z² = 2 [n ln(n (1 + τ)/(n + m)) + m ln(m (1 + τ)/(τ (n +
    m)))] (Li and Ma, ApJ 272 (1983) 317, equation 17; arXiv:physics/0702156, equation 25). Without
    a signal it is near a normal distribution from about ten events on.

    on   number of events n.
    off  events of the reference m; n + m > 0. Of weighted ones (Σw)²/Σw².
    tau  their exposure τ > 0 in units of that of n. Of weighted ones Σw/Σw².
    """
    from scipy.special import xlogy

    n, m, t = (np.asarray(one, np.float64) for one in (on, off, tau))
    square = xlogy(n, n * (1 + t) / (n + m)) + xlogy(m, m * (1 + t) / (t * (n + m)))
    return np.asarray(np.sign(n - m / t) * np.sqrt(np.maximum(2 * square, 0)), np.float64)


def ams(signal: Any, background: Any, regularisation: float = 10.0) -> Floats:
    """Return the approximate median significance of the Higgs challenge, b → b + b_reg.

    √(2[(s + b + b_reg) ln(1 + s/(b + b_reg)) − s]) with b_reg = 10 events.
    """
    return asimov(signal, np.add(background, regularisation))


MEASURES: dict[str, Callable[..., Floats]] = {
    f.__name__: f for f in (s_over_sqrt_b, s_over_sqrt_sb, asimov, ams)
}


@dataclass(frozen=True)
class BestCut:
    """The cut, score ≥ `cut`, of the largest significance, with the yields that pass it."""

    significance: Measurement
    cut: float
    signal: float
    background: float
    efficiency: float
    purity: float

    def as_dict(self) -> dict[str, Any]:
        """Return the significance as `{value, error}`, with the cut and its yields."""
        others = {k: float(v) for k, v in vars(self).items() if k != "significance"}
        return self.significance.as_dict() | others


def best_cut(
    curve: Roc,
    measure: str = "asimov",
    *,
    uncertainty: float = 0.0,
    scale: float = 1.0,
    min_background: float = 10.0,
) -> BestCut:
    """Return the cut of the largest significance on this sample.

    The largest of many fluctuating values is high, by the bias β = ⟨max Z*⟩ − max Z over bootstrap
    replicas Z* of the yields (Efron, Ann. Statist. 7, 1, 1979). The value is that of the printed
    yields, and its error the root mean square of its distance from the largest true significance,
    √(σ² + β²).

    curve           ROC of the score.
    measure         `s_over_sqrt_b`, `s_over_sqrt_sb`, `asimov` or `ams`.
    uncertainty     Relative uncertainty of the background, for `asimov`.
    scale           Factor on weights that makes s and b expected event counts.
    min_background  Cuts that leave fewer effective background events are left out, since their
                    maximum would be a fluctuation.

    Raises StudyError if there is no such measure.
    """
    if measure not in MEASURES:
        raise StudyError(f"there is no significance '{measure}'{nearest(measure, MEASURES)}")
    options = {"uncertainty": uncertainty} if measure == "asimov" else {}

    def value(s: Any, b: Any) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(MEASURES[measure](s, b, **options), posinf=0.0)

    s, b = scale * curve.signal[1:], scale * curve.background[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        allowed = curve.background[1:] ** 2 / curve.background_squares[1:] >= min_background
    allowed[-1] = True
    best = int(np.argmax(np.where(allowed & (b > 0), value(s, b), -1.0)))
    sigma_s = scale * np.sqrt(curve.signal_squares[best + 1])
    sigma_b = scale * np.sqrt(curve.background_squares[best + 1])
    by_s = value(s[best] + sigma_s, b[best]) - value(max(s[best] - sigma_s, 0), b[best])
    by_b = value(s[best], b[best] + sigma_b) - value(s[best], max(b[best] - sigma_b, 0))
    std, bias = np.hypot(by_s, by_b) / 2, _bias(curve, value, scale, min_background)
    return BestCut(
        Measurement(float(value(s[best], b[best])), float(np.hypot(std, bias))),
        float(curve.thresholds[best + 1]),
        float(s[best]),
        float(b[best]),
        float(s[best] / s[-1]),
        float(s[best] / (s[best] + b[best])),
    )


def _bias(
    curve: Roc, value: Callable[[Any, Any], Floats], scale: float, min_background: float
) -> float:
    """Return by how much the largest significance of replicas exceeds that of the curve, or 0.

    The sums of weights between at most `POINTS` cuts fluctuate by √Σw² in each replica.
    """
    last = len(curve.signal) - 1
    at = np.unique(np.linspace(0, last, min(last, POINTS) + 1).astype(int))
    s, b, s_squares, b_squares = (
        np.diff(getattr(curve, name)[at])
        for name in ("signal", "background", "signal_squares", "background_squares")
    )
    total = np.cumsum(b)
    allowed = (total**2 >= min_background * np.cumsum(b_squares)) & (total > 0)
    allowed[-1] = True
    drawn = np.random.default_rng(1).normal(size=(2, REPLICAS, len(s)))
    signal = scale * np.cumsum(s + np.sqrt(s_squares) * drawn[0], axis=1)
    background = scale * np.cumsum(b + np.sqrt(b_squares) * drawn[1], axis=1)
    replicas = value(np.maximum(signal, 0), background)
    nominal = value(np.maximum(scale * np.cumsum(s), 0), scale * total)
    largest = np.where(allowed & (background > 0), replicas, -1.0).max(axis=1)
    return max(float(np.mean(largest) - nominal[allowed & (total > 0)].max(initial=-1.0)), 0.0)
