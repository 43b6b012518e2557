"""The spectrum of a column before and after cuts on a score: what a cut sculpts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, INK, grid, headroom, styled
from bunchtrain.statistics.metrics.efficiency import ones_or


@styled
def plot_spectra(
    values: NDArray[Any],
    passed: Mapping[str, Mapping[str, NDArray[Any]]],
    edges: NDArray[Any],
    label: str,
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return a panel for each network: normalised spectra of all events, and of those that pass.

    Args:
        values: (events,) of the column, of background.
        passed: Network → name of the working point → (events,) bool.
        edges: (bins + 1,) in the unit of the column.
        label: Axis label of the column with its unit.
        weights: (events,) or None for equal weights.
    """
    w = ones_or(weights, len(values))
    figure, panels = grid(len(passed), 3)
    for axes, (network, points) in zip(panels, passed.items(), strict=True):
        everything, _ = _density(values, w, edges)
        axes.stairs(everything, edges, fill=True, color="#d5dae0", label="all")
        for number, (point, chosen) in enumerate(points.items()):
            _draw(axes, values[chosen], w[chosen], edges, COLOURS[number], point)
        axes.set_title(network, loc="left", fontsize=10, color=INK)
        axes.set(xlabel=label, ylabel="Normalised", ylim=(0, None))
        headroom(axes, 1.35)
        axes.legend(ncols=2, fontsize=8, loc="upper center")
    return figure


def _draw(
    axes: Axes,
    values: NDArray[Any],
    weights: NDArray[Any],
    edges: NDArray[Any],
    colour: str,
    label: str,
) -> None:
    density, error = _density(values, weights, edges)
    axes.stairs(density, edges, color=colour, linewidth=1.4, label=label)
    centres = (edges[1:] + edges[:-1]) / 2
    axes.errorbar(centres, density, error, fmt="none", ecolor=colour, elinewidth=0.9)


def _density(
    values: NDArray[Any], weights: NDArray[Any], edges: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the share of the weight in each bin over its width, and its error, (bins,) each."""
    total = max(float(weights.sum()), np.finfo(float).tiny)
    held = np.histogram(values, edges, weights=weights)[0]
    squares = np.histogram(values, edges, weights=weights**2)[0]
    width = np.diff(edges) * total
    return held / width, np.sqrt(squares) / width
