"""χ² of every input between data and simulation, before and after a reweighting."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from bunchtrain.plots.style import COLOURS, canvas, styled


@styled
def plot_closure(chi2: Mapping[str, Mapping[str, float]]) -> Figure:
    """Return χ²/n of each input by weights.

    Args:
        chi2: Weights, as `none` or a network → input → χ² over degrees of freedom.
    """
    inputs = list(next(iter(chi2.values())))
    figure, axes = canvas(7.0, 1.6 + 0.32 * len(inputs))
    rows = np.arange(len(inputs))
    for number, (name, values) in enumerate(chi2.items()):
        found = np.maximum([values[one] for one in inputs], 1e-2)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(found, rows, "o", ms=6, color=colour, label=name)
    axes.axvline(1.0, color="0.6", lw=1, ls="--")
    axes.set(xscale="log", xlabel=r"$\chi^2$ / degrees of freedom", yticks=rows)
    axes.set_yticklabels(inputs)
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_ylim(len(inputs) - 0.5, -0.5)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
