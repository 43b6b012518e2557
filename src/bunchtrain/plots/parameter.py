"""AUC at each value of a parameter, as of the mass of a resonance (arXiv:1601.07913)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from bunchtrain.plots.style import canvas, look, styled
from bunchtrain.statistics.metrics import Measurement

MARKERS = "osD^vPX*"
TICKS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
#: Parameters with more values than this get the ticks of a continuous axis.
NAMED = 8


@styled
def plot_parameter(figures: Mapping[str, Mapping[float, Measurement]], label: str) -> Figure:
    """Return the AUC of networks against the parameter, with errors.

    The axis is logarithmic in 1 − AUC, so that good networks lie apart.

    Args:
        figures: Network → value of the parameter → AUC.
        label: Axis label of the parameter with its unit.
    """
    figure, axes = canvas(8.4)
    for number, (name, points) in enumerate(figures.items()):
        values = sorted(points)
        axes.errorbar(
            values, [points[v].value for v in values], [points[v].error for v in values],
            marker=MARKERS[number % len(MARKERS)], ms=5, elinewidth=1.2,
            zorder=3 + len(figures) - number, label=name, **look(number),
        )  # fmt: skip
    every = sorted({value for points in figures.values() for value in points})
    if len(every) <= NAMED:
        axes.set_xticks(every)
        axes.xaxis.set_minor_locator(NullLocator())
    _spread(axes, [f for points in figures.values() for f in points.values()])
    axes.set(xlabel=label, ylabel="AUC")
    axes.grid(axis="y", lw=0.4, alpha=0.5)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return figure


def _spread(axes: Axes, shown: list[Measurement]) -> None:
    """Scale the axis by −log(1 − AUC) and number it by the AUC."""
    axes.set_yscale("function", functions=(_spread_out, lambda y: 1 - 10.0**-y))
    lowest = min((f.value - np.nan_to_num(f.error) for f in shown), default=0.0)
    highest = max((f.value + np.nan_to_num(f.error) for f in shown), default=0.9)
    low, high = _spread_out(np.array([max(lowest, 0.0), highest]))
    margin = 0.05 * (high - low) + 0.01
    axes.set_ylim(1 - 10.0 ** (margin - low), 1 - 10.0 ** -(high + margin))
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))


def _spread_out(values: Any) -> Any:
    return -np.log10(np.clip(1 - np.asarray(values, np.float64), 1e-6, None))
