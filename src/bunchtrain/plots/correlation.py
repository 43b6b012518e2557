"""How alike networks order the same events: the matrix of their scores' rank correlations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bunchtrain.plots.style import canvas, styled
from bunchtrain.statistics.metrics.efficiency import Floats


@styled
def plot_correlation(
    signal: Floats, background: Floats, names: Sequence[str], classes: tuple[str, str]
) -> Figure:
    """Return one matrix of two triangles.

    Args:
        signal: Rank correlations over the signal (names, names), shown above the diagonal.
        background: Over the background, shown below it.
        names: Of the networks.
        classes: Names of signal and background.
    """
    count = len(names)
    shown = np.where(np.triu(np.ones((count, count), bool)), signal, background)
    size = 2.6 + 0.38 * count
    drawn, axes = canvas(size, size)
    lowest = min(0.0, float(shown.min()))
    axes.imshow(shown, cmap="Blues", vmin=lowest, vmax=1.25)
    for (row, column), value in np.ndenumerate(shown):
        if row != column:
            colour = "white" if value > 0.8 else "#1f2933"
            text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.set_xticks(range(count), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    drawn.suptitle(
        f"Rank correlation [%]: {classes[0]} above, {classes[1]} below the diagonal", fontsize=10
    )
    return drawn
