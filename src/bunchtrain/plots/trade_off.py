"""Background rejection against what a network costs: its parameters, or its time per event."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bunchtrain.plots.style import COLOURS, INK, canvas, plain_numbers, styled
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics.efficiency import Floats

#: Least distance of two names, as a fraction of the height of the plot.
SPACING = 0.047


@styled
def plot_trade_off(
    points: Mapping[str, tuple[float, Measurement]], cost: str, figure: str
) -> Figure:
    """Return one point a network, named at the right, with its error over seeds or statistics.

    Args:
        points: Name → (cost, figure).
        cost: Axis label of the cost, as "Parameters".
        figure: Axis label of the figure.
    """
    drawn, axes = canvas(7.6, max(4.8, 0.27 * len(points)))
    order = sorted(points, key=lambda name: points[name][1].value)
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(order)}
    for name, (x, y) in points.items():
        error = np.nan_to_num(y.deviation if y.seeds > 1 else y.error)
        axes.errorbar(x, y.value, error, fmt="o", ms=6, lw=1.2, color=colours[name])
    axes.set(xscale="log", yscale="log", xlabel=cost, ylabel=figure)
    axes.margins(0.06)
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis)
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    _name_at_the_right(
        axes, {name: (points[name][0], points[name][1].value) for name in order}, colours
    )
    return drawn


def _name_at_the_right(
    axes: Axes, points: Mapping[str, tuple[float, float]], colours: Mapping[str, str]
) -> None:
    """Write the names, whose y rises, in a column, each joined to its point by a thin line."""
    low, high = np.log(axes.get_ylim())
    wanted = np.array([(np.log(y) - low) / (high - low) for _, y in points.values()])
    for (name, point), height in zip(points.items(), spread(wanted), strict=True):
        axes.annotate(
            name, point, (1.07, height), textcoords="axes fraction", va="center", color=INK,
            fontsize=9, annotation_clip=False, zorder=1,
            arrowprops={"arrowstyle": "-", "color": colours[name], "lw": 0.7, "alpha": 0.7},
        )  # fmt: skip


def spread(heights: Floats) -> Floats:
    """Return rising heights below 1, moved apart where two names would lie on one another."""
    gap = min(SPACING, 1 / len(heights))
    placed = heights.copy()
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + gap)
    room = 1 - gap * np.arange(len(placed))[::-1]  # what those above leave
    return np.asarray(np.minimum(placed, room), np.float64)
