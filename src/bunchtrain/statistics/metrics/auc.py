"""Area under the ROC curve, with the error of DeLong, DeLong and Clarke-Pearson (1988)."""

from __future__ import annotations

import numpy as np

from bunchtrain.statistics.metrics.efficiency import Floats
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.roc import Roc


def auc(curve: Roc) -> Measurement:
    """Return the probability that signal scores above background, ties counting one half.

    A = Σ w_s w_b [s > b] / (W_S W_B), and σ² is the sum over both classes of
    Σ w² (V − A)² / W² · n/(n − 1), where V is the fraction of the other class that an event
    is ordered rightly with and n the effective count.
    """
    ordered_signal = 1 - _middle(curve.background_efficiency)  # (points − 1,)
    ordered_background = _middle(curve.signal_efficiency)
    area = float(np.sum(ordered_background * np.diff(curve.background_efficiency)))
    variance = sum(
        _variance(ordered - area, np.diff(squares), total)
        for ordered, squares, total in (
            (ordered_signal, curve.signal_squares, curve.signal[-1]),
            (ordered_background, curve.background_squares, curve.background[-1]),
        )
    )
    return Measurement(area, float(np.sqrt(variance)))


def _middle(steps: Floats) -> Floats:
    return (steps[1:] + steps[:-1]) / 2


def _variance(deviation: Floats, squares: Floats, total: float) -> float:
    count = total**2 / squares.sum()
    return float(np.sum(squares * deviation**2) / total**2 * count / max(count - 1, 1.0))
