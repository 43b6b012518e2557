"""Signal efficiency ε_S at a fixed background efficiency (mistag rate) ε_B."""

from __future__ import annotations

from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.roc import Roc


def signal_efficiency(curve: Roc, mistag: float) -> Measurement:
    """Return ε_S at ε_B = `mistag`."""
    value, error = curve.signal_at(mistag)
    return Measurement(float(value), float(error))
