"""Background rejection 1/ε_B at a fixed signal efficiency ε_S."""

from __future__ import annotations

import numpy as np

from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.roc import Roc


def background_rejection(curve: Roc, efficiency: float) -> Measurement:
    """Return 1/ε_B at ε_S = `efficiency`, with σ(1/ε_B) = σ(ε_B)/ε_B².

    If no background passes, it is the lower limit at 95 % confidence, n/(−ln 0.05) for an
    effective number n of background events.
    """
    mistag, error = curve.background_at(efficiency)
    if mistag <= 0:
        return Measurement(curve.background_count / -float(np.log(0.05)), limit=True)
    return Measurement(float(1 / mistag), float(error / mistag**2))
