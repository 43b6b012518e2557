"""All networks in the order of one figure, with the published values beside ours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from bunchtrain.plots.style import COLOURS, INK, canvas, plain_numbers, styled
from bunchtrain.statistics.metrics import Measurement


@styled
def plot_ranking(
    ours: Mapping[str, Measurement], published: Mapping[str, Measurement], label: str
) -> Figure:
    """Return one row a network, the best at the top.

    The thick bar is the deviation over seeds, the thin one the statistical error.

    Args:
        ours: Name → figure.
        published: Name → published figure, drawn as an open marker, where there is one.
        label: Axis label of the figure.
    """
    names = sorted(ours, key=lambda name: ours[name].value)
    drawn, axes = canvas(7.2, 1.4 + 0.29 * len(names))
    for row, name in enumerate(names):
        x, both = ours[name], published.get(name)
        axes.errorbar(x.value, row, xerr=np.nan_to_num(x.error), color=COLOURS[0], lw=1, zorder=2)
        spread = np.nan_to_num(x.deviation)
        axes.errorbar(x.value, row, xerr=spread, fmt="o", ms=6, color=COLOURS[0], lw=3.2, zorder=3)
        if both is not None:
            axes.errorbar(
                both.value, row, xerr=np.nan_to_num(both.error), fmt="D", ms=5, mfc="white",
                mec=COLOURS[6], ecolor=COLOURS[6], zorder=4,
            )  # fmt: skip
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.set(xlabel=label, ylim=(-0.7, len(names) - 0.3))
    if label != "AUC" and min(figure.value for figure in ours.values()) > 0:
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
    axes.grid(axis="x", which="both", color="#e4e7eb", linewidth=0.6)
    axes.errorbar([], [], fmt="o", color=COLOURS[0], label="ours")
    if published:
        axes.errorbar([], [], fmt="D", mfc="white", mec=COLOURS[6], ecolor=COLOURS[6],
                      label="published")  # fmt: skip
    axes.legend(loc="lower right")
    return drawn
