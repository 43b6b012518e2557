"""Plots of samples of events next to each other: distributions and their ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import apply_style, axis_label, bin_edges, canvas, line_style


@apply_style
def plot_samples(
    samples: Mapping[str, NDArray[Any]], column: str, bins: int = 40, unit: str | None = None
) -> Figure:
    """Return the density of a variable in each sample, and the ratios to the first one below.

    samples  Name → values (events,) of one variable, unweighted; bins are those of the first.
    column   Name of the variable.
    bins     Number of bins.
    unit     Of the variable, None if it is unknown.
    """
    figure, axes = canvas(6.0, 5.2)
    axes.remove()
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = bin_edges(next(iter(samples.values())), bins)
    counts = {name: np.histogram(values, edges)[0] for name, values in samples.items()}
    first = next(iter(samples))
    for k, (name, values) in enumerate(samples.items()):
        width = np.diff(edges) * max(1, len(values))
        style = line_style(k)
        above.stairs(counts[name] / width, edges, label=name, lw=1.6, **style)
        if name != first:
            scale = len(samples[first]) / max(1, len(values))
            _draw_ratio(below, counts[name], counts[first], scale, edges, style["color"])
    below.axhline(1.0, color=line_style(0)["color"], lw=1.2)
    above.set(ylabel="Density", xlim=(edges[0], edges[-1]))
    above.set_ylim(0, above.get_ylim()[1] * 1.2)
    below.set(xlabel=axis_label(column, unit), ylabel=f"Ratio to {first}", ylim=(0.5, 1.5))
    above.legend(loc="upper right")
    return figure


def _draw_ratio(
    axes: Axes, counts: NDArray[Any], reference: NDArray[Any], scale: float, edges: Any, colour: str
) -> None:
    known = (counts > 0) & (reference > 0)
    ratio = scale * counts[known] / reference[known]
    error = ratio * np.sqrt(1 / counts[known] + 1 / reference[known])
    centres = (edges[1:] + edges[:-1])[known] / 2
    axes.errorbar(centres, ratio, yerr=error, ls="", marker="o", ms=3, lw=1, color=colour)
