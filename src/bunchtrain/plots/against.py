"""A figure of a regressed value in bins of a column, as the resolution against pT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, canvas, headroom, plain_numbers, styled
from bunchtrain.statistics.metrics import Measurement, quantile

#: Measurement of some values (events,) and their weights.
Measure = Callable[[NDArray[Any], NDArray[Any]], Measurement]
#: Largest over smallest value of a column beyond which its axis is logarithmic.
WIDE = 20.0


@styled
def plot_against(
    values: Mapping[str, NDArray[Any]],
    column: NDArray[Any],
    measure: Measure,
    labels: tuple[str, str],
    weights: NDArray[Any],
    bins: int = 12,
) -> Figure:
    """Return a figure in bins of equal population of a column, with its error, by network.

    Networks stand beside one another within the bins, whose edges are thin lines. A column that is
    positive and spans a factor above 20 has a logarithmic axis.

    Args:
        values: Network → (events,), as pulls or residuals.
        column: (events,).
        measure: Measurement of the values in a bin.
        labels: Axis labels of the column and of the figure.
        weights: (events,).
        bins: Number of bins.
    """
    figure, axes = canvas()
    edges = np.unique(quantile(column, np.linspace(0, 1, bins + 1), weights))
    place = np.clip(np.searchsorted(edges, column, "right") - 1, 0, len(edges) - 2)
    wide = edges[0] > 0 and edges[-1] > WIDE * edges[0]
    scaled = np.log(edges) if wide else edges
    for edge in edges[1:-1]:
        axes.axvline(edge, color="#e4e7eb", linewidth=0.6, zorder=0)
    for number, (name, one) in enumerate(values.items()):
        found = [
            measure(one[place == k], weights[place == k])
            if np.count_nonzero(place == k) > 1
            else Measurement(np.nan)
            for k in range(len(edges) - 1)
        ]
        place_within = (number + 1) / (len(values) + 1)
        x = scaled[:-1] + np.diff(scaled) * place_within
        axes.errorbar(
            np.exp(x) if wide else x, [f.value for f in found], [f.error for f in found],
            fmt="o", ms=4, elinewidth=1.2, color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(edges[0], edges[-1]))
    if wide:
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
    headroom(axes, 1.35)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure
