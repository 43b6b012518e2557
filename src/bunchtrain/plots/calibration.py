"""Calibration curve: observed fraction of signal against predicted probability."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from bunchtrain.plots.style import COLOURS, canvas, styled
from bunchtrain.statistics.metrics import Calibration


@styled
def plot_calibration(curves: Mapping[str, Calibration]) -> Figure:
    """Return one curve a network, with binomial errors; the diagonal is perfect."""
    figure, axes = canvas()
    axes.plot([0, 1], [0, 1], "--", color="#94a4a2", lw=1.2)
    for k, (name, curve) in enumerate(curves.items()):
        axes.errorbar(
            curve.predicted, curve.observed, curve.error, fmt="o-", ms=4, lw=1.2,
            color=COLOURS[k % len(COLOURS)], label=f"{name} (ECE {curve.expected_error})",
        )  # fmt: skip
    axes.set(xlabel="Predicted probability", ylabel="Observed fraction", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", fontsize=10 if len(curves) < 5 else 8)
    return figure
