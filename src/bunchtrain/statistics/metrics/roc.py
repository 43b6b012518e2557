"""The receiver operating characteristic: ε_B against ε_S as the cut on the score falls.

All figures of a two-class decision are read from one curve, so that events are sorted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.efficiency import Floats, efficiency_error, ones_or


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

        ε_B is read where ε_S is first reached, linearly between points. Its error is the binomial
        one together with what the binomial error of ε_S moves along the curve.
        """
        return self._other_at(efficiencies, "signal")

    def signal_at(self, mistags: Any) -> tuple[Floats, Floats]:
        """Return ε_S and its error at background efficiencies in (0, 1].

        ε_S is the largest with that ε_B, linearly between points; errors as in `background_at`.
        """
        return self._other_at(mistags, "background")

    def threshold_at(self, efficiency: float) -> float:
        """Return the cut, score ≥ threshold, that first reaches a signal efficiency."""
        index = np.searchsorted(np.maximum.accumulate(self.signal_efficiency), efficiency)
        return float(self.thresholds[min(int(index), len(self.thresholds) - 1)])

    def _other_at(
        self, wanted: Any, fixed: Literal["signal", "background"]
    ) -> tuple[Floats, Floats]:
        side: Literal["left", "right"] = "left" if fixed == "signal" else "right"
        read = "background" if fixed == "signal" else "signal"
        known, sums, squares = (
            getattr(self, name) for name in (f"{fixed}_efficiency", read, f"{read}_squares")
        )
        wanted = np.asarray(wanted, np.float64)
        value, value_squares = _interpolate(known, (sums, squares), wanted, side)
        binomial = efficiency_error(value, value_squares, sums[-1], squares[-1])
        spread = _interpolate(known, (getattr(self, f"{fixed}_squares"),), wanted, side)[0]
        total, total_squares = getattr(self, fixed)[-1], getattr(self, f"{fixed}_squares")[-1]
        shift = efficiency_error(wanted * total, spread, total, total_squares)
        up = _interpolate(known, (sums,), np.minimum(wanted + shift, 1), side)[0]
        down = _interpolate(known, (sums,), np.maximum(wanted - shift, 0), side)[0]
        return value / sums[-1], np.hypot(binomial, (up - down) / 2 / sums[-1])


def _interpolate(
    known: Floats, others: tuple[Floats, ...], wanted: Floats, side: Literal["left", "right"]
) -> list[Floats]:
    """Return each of `others` where `known` reaches (left) or leaves (right) `wanted`."""
    rising = np.maximum.accumulate(known)
    rounding = 1e-12 if side == "right" else -1e-12  # a sum of weights may miss 0.5 by a bit
    after = np.clip(np.searchsorted(rising, wanted * (1 + rounding), side), 1, len(rising) - 1)
    step = rising[after] - rising[after - 1]
    fraction = np.divide(wanted - rising[after - 1], step, out=np.ones_like(wanted), where=step > 0)
    return [y[after - 1] + np.clip(fraction, 0, 1) * (y[after] - y[after - 1]) for y in others]


def roc(scores: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any] | None = None) -> Roc:
    """Return the ROC of a score that is large for signal.

    Args:
        scores: (events,), any monotone function of the discriminant.
        truth: (events,) bool, True for signal.
        weights: (events,) or None for equal weights.

    Raises:
        DataError: a score is NaN, or a class has no events or no weight.
    """
    scores, is_signal = np.asarray(scores), np.asarray(truth, bool)
    w = ones_or(weights, len(scores))
    if np.isnan(scores).any():
        raise DataError(f"the score of event {np.argmax(np.isnan(scores))} is NaN")
    for name, chosen in (("signal", is_signal), ("background", ~is_signal)):
        if w[chosen].sum() <= 0:
            raise DataError(f"a ROC needs {name} events of positive weight in the test set")
    distinct, place = np.unique(scores, return_inverse=True)

    def accepted(weight: Floats) -> Floats:
        falling = np.bincount(place, weight, len(distinct))[::-1]
        return np.concatenate([[0.0], np.cumsum(falling)])

    return Roc(
        np.concatenate([[np.inf], distinct[::-1]]),
        accepted(w * is_signal),
        accepted(w * ~is_signal),
        accepted(w**2 * is_signal),
        accepted(w**2 * ~is_signal),
    )
