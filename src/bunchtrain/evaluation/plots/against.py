"""A figure of a regressed value in bins of a column, as the resolution against pT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from bunchtrain.evaluation.metrics import Figure, quantile
from bunchtrain.evaluation.plots.style import COLOURS, canvas, headroom, styled

#: Figure of some values (events,) and their weights.
Measure = Callable[[NDArray[Any], NDArray[Any]], Figure]


@styled
def plot_against(
    values: Mapping[str, NDArray[Any]],
    column: NDArray[Any],
    measure: Measure,
    labels: tuple[str, str],
    weights: NDArray[Any],
    bins: int = 12,
) -> Canvas:
    """Return a figure in bins of equal population of a column, with its error, by network.

    Args:
        values: Network → (events,), as pulls or residuals.
        column: (events,).
        measure: Figure of the values in a bin.
        labels: Axis labels of the column and of the figure.
        weights: (events,).
        bins: Number of bins.
    """
    figure, axes = canvas()
    edges = np.unique(quantile(column, np.linspace(0, 1, bins + 1), weights))
    place = np.clip(np.searchsorted(edges, column, "right") - 1, 0, len(edges) - 2)
    centres, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    for number, (name, one) in enumerate(values.items()):
        found = [
            measure(one[place == k], weights[place == k])
            if np.count_nonzero(place == k) > 1
            else Figure(np.nan)
            for k in range(len(centres))
        ]
        axes.errorbar(
            centres, [f.value for f in found], [f.error for f in found], halves, fmt="o", ms=4,
            elinewidth=1.2, color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(edges[0], edges[-1]))
    headroom(axes, 1.35)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure
