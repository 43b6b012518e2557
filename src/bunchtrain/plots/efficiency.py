"""Efficiency at a fixed cut against pT, mass or η."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from bunchtrain.plots.style import COLOURS, canvas, headroom, styled
from bunchtrain.statistics.metrics.efficiency import BinnedEfficiency


@styled
def plot_efficiency(
    curves: Mapping[str, BinnedEfficiency], label: str, title: str = "", log: bool = False
) -> Figure:
    """Return efficiencies in bins of a variable, with 68 % intervals.

    Args:
        curves: Name of the class or network → its binned efficiency.
        label: Axis label of the variable with its unit, as `pT [GeV]`.
        title: What the cut is, as `ε_S = 0.5`.
        log: Whether the y axis is logarithmic, for mistag rates.
    """
    figure, axes = canvas()
    for k, (name, curve) in enumerate(curves.items()):
        centre, half = (curve.edges[1:] + curve.edges[:-1]) / 2, np.diff(curve.edges) / 2
        errors = np.maximum([curve.value - curve.low, curve.high - curve.value], 0)
        seen = np.isfinite(curve.value) & ((curve.value > 0) | (not log))
        axes.errorbar(
            centre[seen], curve.value[seen], errors[:, seen], half[seen], fmt="o", ms=5,
            color=COLOURS[k % len(COLOURS)], elinewidth=1.3, label=name,
        )  # fmt: skip
    axes.set(xlabel=label, ylabel="Efficiency", yscale="log" if log else "linear")
    if not log:
        axes.set_ylim(bottom=0)
    headroom(axes, 1.25)
    axes.legend(title=title or None, ncols=2, loc="upper center")
    return figure
