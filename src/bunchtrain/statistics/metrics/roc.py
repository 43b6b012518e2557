"""The receiver operating characteristic (ROC) and the metrics that are read from it.

All metrics of a two-class decision come from one curve, so that events are sorted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri, softmax

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.efficiency import efficiency_error, efficiency_interval
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.sample import Floats, as_weights, effective_count

#: Confidence of the lower limit of a rejection.
CONFIDENCE = 0.95
#: ε_B over its error below which only a limit of the rejection is given.
MIN_SIGNIFICANCE = 0.7


@dataclass(frozen=True)
class Roc:
    """Sums of weights of the events with score ≥ threshold, for every distinct score.

    The first point accepts nothing (threshold +∞), the last one everything. Between two points
    the curve is a straight line, which is what random ordering among equal scores gives.
    """

    thresholds: Floats  # (points,), falling
    signal: Floats  # (points,) Σw of accepted signal
    background: Floats
    signal_squares: Floats  # (points,) Σw² of accepted signal
    background_squares: Floats

    @property
    def signal_efficiency(self) -> Floats:
        """ε_S at every point, rising from 0 to 1."""
        return np.asarray(self.signal / self.signal[-1], np.float64)

    @property
    def background_efficiency(self) -> Floats:
        """ε_B at every point, rising from 0 to 1."""
        return np.asarray(self.background / self.background[-1], np.float64)

    @property
    def background_count(self) -> float:
        """Effective number of background events, (Σw)²/Σw²."""
        return float(self.background[-1] ** 2 / self.background_squares[-1])

    def background_at(self, efficiencies: Any) -> tuple[Floats, Floats]:
        """Return ε_B and its error at signal efficiencies in (0, 1].

        ε_B is interpolated where ε_S is first reached. Its error is the binomial one, in quadrature
        with the binomial error of ε_S propagated along the curve.
        """
        return self._other_at(efficiencies, "signal")

    def signal_at(self, mistags: Any) -> tuple[Floats, Floats]:
        """Return ε_S and its error at background efficiencies in (0, 1].

        ε_S is the largest with that ε_B, interpolated; errors as in `background_at`.
        """
        return self._other_at(mistags, "background")

    def threshold_at(self, efficiency: float) -> float:
        """Return the cut, score ≥ threshold, that first reaches a signal efficiency."""
        index = np.searchsorted(np.maximum.accumulate(self.signal_efficiency), efficiency)
        return float(self.thresholds[min(int(index), len(self.thresholds) - 1)])

    def passing(self, cut: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return ε_S and ε_B of score ≥ cut, each with its binomial error for a fixed cut."""
        last = int(np.searchsorted(-self.thresholds, -cut, side="right")) - 1
        found = []
        for side in ("signal", "background"):
            sums, squares = getattr(self, side), getattr(self, f"{side}_squares")
            error = efficiency_error(sums[last], squares[last], sums[-1], squares[-1])
            found.append((float(sums[last] / sums[-1]), float(error)))
        return found[0], found[1]

    def background_by_cut(self, efficiency: float) -> tuple[float, float]:
        """Return ε_B of the cut of `threshold_at`, and its error.

        The error is the binomial one, in quadrature with that of the cut: half the difference of
        ε_B between the cuts at ε_S minus and plus its binomial error. Among tied scores the cut
        is the same.
        """
        signal, squares = self.signal, self.signal_squares
        _, (mistag, binomial) = self.passing(self.threshold_at(efficiency))
        at_squares = _interpolate(
            self.signal_efficiency, (squares,), np.array([efficiency]), "left"
        )
        wanted = efficiency * signal[-1]
        shift = float(efficiency_error(wanted, at_squares[0][0], signal[-1], squares[-1]))
        low, high = (
            self.passing(self.threshold_at(float(np.clip(efficiency + step, 0, 1))))[1][0]
            for step in (-shift, shift)
        )
        return mistag, float(np.hypot(binomial, (high - low) / 2))

    def _other_at(self, at: Any, fixed: Literal["signal", "background"]) -> tuple[Floats, Floats]:
        """Return the efficiency of the other class, and its error, at that of a fixed one."""
        side: Literal["left", "right"] = "left" if fixed == "signal" else "right"
        other = "background" if fixed == "signal" else "signal"
        x, sums, squares = (
            getattr(self, name) for name in (f"{fixed}_efficiency", other, f"{other}_squares")
        )
        at = np.asarray(at, np.float64)
        value, value_squares = _interpolate(x, (sums, squares), at, side)
        binomial = efficiency_error(value, value_squares, sums[-1], squares[-1])
        fixed_squares = getattr(self, f"{fixed}_squares")
        at_squares = _interpolate(x, (fixed_squares,), at, side)[0]
        total = getattr(self, fixed)[-1]
        shift = efficiency_error(at * total, at_squares, total, fixed_squares[-1])
        # At small ε_B few events are between the two ends, so that they need a larger distance.
        reach = shift if fixed == "signal" else np.minimum(3 * shift, np.maximum(at, shift))
        up = _interpolate(x, (sums,), np.minimum(at + reach, 1), side)[0]
        down = _interpolate(x, (sums,), np.maximum(at - reach, 0), side)[0]
        slope = (up - down) / (2 * reach * sums[-1])
        return value / sums[-1], np.hypot(binomial, slope * shift)


def _interpolate(
    x: Floats, columns: tuple[Floats, ...], at: Floats, side: Literal["left", "right"]
) -> list[Floats]:
    """Return each column where x first reaches (left) or last has (right) the value `at`."""
    rising = np.maximum.accumulate(x)
    rounding = 1e-12 if side == "right" else -1e-12  # a sum of weights may miss 0.5 by a bit
    after = np.clip(np.searchsorted(rising, at * (1 + rounding), side), 1, len(rising) - 1)
    step = rising[after] - rising[after - 1]
    fraction = np.divide(at - rising[after - 1], step, out=np.ones_like(at), where=step > 0)
    return [y[after - 1] + np.clip(fraction, 0, 1) * (y[after] - y[after - 1]) for y in columns]


def roc(scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None) -> Roc:
    """Return the ROC of a score that is large for signal.

    scores   (events,), any monotone function of the discriminant.
    truth    (events,) bool, True for signal.
    weights  (events,) or None for equal weights.

    Raises DataError if a score is NaN, or a class has no events or no weight.
    """
    scores, is_signal = np.asarray(scores), np.asarray(truth, bool)
    w = as_weights(weights, len(scores))
    if np.isnan(scores).any():
        raise DataError(f"the score of event {np.argmax(np.isnan(scores))} is NaN")
    for name, chosen in (("signal", is_signal), ("background", ~is_signal)):
        if w[chosen].sum() <= 0:
            raise DataError(f"a ROC needs {name} events of positive weight in the test set")
    distinct, index = np.unique(scores, return_inverse=True)

    def cumulate(weight: Floats) -> Floats:
        falling = np.bincount(index, weight, len(distinct))[::-1]
        return np.concatenate([[0.0], np.cumsum(falling)])

    return Roc(
        np.concatenate([[np.inf], distinct[::-1]]),
        cumulate(w * is_signal),
        cumulate(w * ~is_signal),
        cumulate(w**2 * is_signal),
        cumulate(w**2 * ~is_signal),
    )


def discriminant(
    scores: NDArray[Any], signal: int, against: Sequence[int], shares: Sequence[float] | None = None
) -> Floats:
    """Return log(p_signal / Σ_k f_k p_k), (events,).

    It orders events as p_S/(p_S + p_B) does (arXiv:2202.03772), but also separates those whose
    p_S is 1 within single precision.

    scores   (events, classes) probabilities, or any scores: if some are negative, p = softmax.
    signal   Index of the signal class.
    against  Indices of the background classes, k.
    shares   f_k of these classes; 1 each if None.
    """
    probabilities = np.asarray(scores, np.float64)
    if probabilities.min(initial=0) < 0:  # no probabilities, e.g. of a margin loss
        probabilities = softmax(probabilities, axis=1)
    tiny = np.finfo(np.float64).tiny
    others = probabilities[:, list(against)]
    background = others.sum(axis=1) if shares is None else others @ np.asarray(shares)
    ratio = np.log(np.maximum(probabilities[:, signal], tiny))
    return np.asarray(ratio - np.log(np.maximum(background, tiny)), np.float64)


def auc(curve: Roc) -> Measurement:
    """Return the area under the ROC curve, ties counting one half, with DeLong's error (1988).

    A = Σ w_s w_b [s > b] / (W_S W_B), and σ² is the sum over both classes of
    Σ w² (V − A)² / W² · n/(n − 1), where V is the fraction of the other class that an event
    is ordered rightly with and n the effective count. An interval near A = 1 is that of
    ln A/(1 − A) (Pepe, 2003).
    """
    ordered_signal = 1 - _midpoints(curve.background_efficiency)  # (points − 1,)
    ordered_background = _midpoints(curve.signal_efficiency)
    area = float(np.sum(ordered_background * np.diff(curve.background_efficiency)))
    variance = 0.0
    for ordered, squares, total in (
        (ordered_signal, np.diff(curve.signal_squares), curve.signal[-1]),
        (ordered_background, np.diff(curve.background_squares), curve.background[-1]),
    ):
        count = total**2 / squares.sum()
        variance += float(
            np.sum(squares * (ordered - area) ** 2) / total**2 * count / max(count - 1, 1.0)
        )
    return _with_interval(area, float(np.sqrt(variance)))


def _with_interval(area: float, error: float) -> Measurement:
    """Return an area under a ROC curve with the interval of ln A/(1 − A)."""
    found = Measurement(area, error)
    if not (0 < area < 1 and error > 0):
        return found
    step = error / (area * (1 - area))  # error of ln A/(1 − A)
    return found.with_interval(*expit(logit(area) + np.array([-step, step])))


def macro_auc(
    scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the mean over classes of the AUC of each against all others.

    The error is that of the mean: σ² = Σ_i (Σ_k u_ik/K)² with the contribution u_ik of event i to
    the AUC of class k, of which DeLong's variance is Σ_i u_ik². The interval is as for one AUC.

    scores   (events, classes) probabilities.
    truth    (events,) index of the true class.
    weights  (events,) or None for equal weights.

    Raises DataError if a class has no events or no weight.
    """
    classes, w = scores.shape[1], as_weights(weights, len(scores))
    areas, contributions = [], np.zeros(len(scores))
    for k in range(classes):
        others = [j for j in range(classes) if j != k]
        score, own = discriminant(scores, k, others), truth == k
        curve = roc(score, own, w)
        areas.append(auc(curve).value)
        place = np.searchsorted(-curve.thresholds[1:], -score)
        right = np.where(
            own,
            (1 - _midpoints(curve.background_efficiency))[place],
            _midpoints(curve.signal_efficiency)[place],
        )
        total = np.where(own, curve.signal[-1], curve.background[-1])
        count = np.where(own, effective_count(w[own]), effective_count(w[~own]))
        few = np.sqrt(count / np.maximum(count - 1, 1.0))
        contributions += w * (right - areas[-1]) * few / total / classes
    return _with_interval(float(np.mean(areas)), float(np.linalg.norm(contributions)))


def _midpoints(steps: Floats) -> Floats:
    return (steps[1:] + steps[:-1]) / 2


def background_rejection(curve: Roc, efficiency: float) -> Measurement:
    """Return 1/ε_B at ε_S = `efficiency`, with its error or limit as in `rejection`."""
    (mistag,), (error,) = curve.background_at([efficiency])
    return rejection(float(mistag), float(error), curve.background_count)


def rejection(mistag: float, error: float, count: float) -> Measurement:
    """Return 1/ε_B with σ(1/ε_B) = σ(ε_B)/ε_B², and of few events the interval of 1/ε_B.

    If no background passes, or with negative weights a sum that is smaller than its error allows,
    it is the lower limit at 95 % confidence: n/(−ln 0.05) for n effective events of which none
    passes, else that of CL_s for a Gaussian ε_B ≥ 0, 1/[ε_B + σ Φ⁻¹(1 − 0.05 Φ(ε_B/σ))].

    mistag  ε_B.
    error   σ(ε_B).
    count   Effective number n of background events.
    """
    nothing = count / -float(np.log(1 - CONFIDENCE))
    if mistag < error * MIN_SIGNIFICANCE:
        deviations = float(-ndtri((1 - CONFIDENCE) * ndtr(mistag / error)))
        return Measurement(min(nothing, 1 / (mistag + error * deviations)), limit=True)
    low, high = efficiency_interval(mistag, error)
    found = Measurement(1 / mistag, error / mistag**2)
    return found.with_interval(1 / high, 1 / low)


def signal_efficiency(curve: Roc, mistag: float) -> Measurement:
    """Return ε_S at a background efficiency (mistag rate) ε_B = `mistag`."""
    (value,), (error,) = curve.signal_at([mistag])
    found = Measurement(float(value), float(error))
    return found.with_interval(*efficiency_interval(found.value, found.error))
