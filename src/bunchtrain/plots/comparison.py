"""Plots that compare networks: ranking, cost, dependence on a parameter, correlations."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator
from numpy.typing import NDArray

from bunchtrain.plots.style import (
    COLOURS,
    INK,
    apply_style,
    canvas,
    format_log_axis,
    grid,
    line_style,
)
from bunchtrain.statistics.metrics import Floats, Measurement

#: Smallest distance of two names, as a fraction of the height of the plot.
SPACING = 0.047
#: Ticks and markers of the AUC against a parameter.
AUC_TICKS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
AUC_MARKERS = "osD^vPX*"
#: Largest number of values of a parameter that have a tick each.
MAX_TICKS = 8


@apply_style
def plot_ranking(
    ours: Mapping[str, Measurement], published: Mapping[str, Measurement], label: str
) -> Figure:
    """Return one row a network, the best at the top.

    The thick bar is the standard deviation over seeds, the thin one the statistical error.

    ours       Name → metric.
    published  Name → published metric, where there is one, drawn as an open marker.
    label      Axis label of the metric.
    """
    names = sorted(ours, key=lambda name: ours[name].value)
    figure, axes = canvas(7.2, 1.4 + 0.29 * len(names))
    for row, name in enumerate(names):
        x, other = ours[name], published.get(name)
        axes.errorbar(x.value, row, xerr=np.nan_to_num(x.error), color=COLOURS[0], lw=1, zorder=2)
        std = np.nan_to_num(x.seed_std)
        axes.errorbar(x.value, row, xerr=std, fmt="o", ms=6, color=COLOURS[0], lw=3.2, zorder=3)
        if other is not None:
            axes.errorbar(
                other.value, row, xerr=np.nan_to_num(other.error), fmt="D", ms=5, mfc="white",
                mec=COLOURS[6], ecolor=COLOURS[6], zorder=4,
            )  # fmt: skip
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.set(xlabel=label, ylim=(-0.7, len(names) - 0.3))
    if label != "AUC" and min(metric.value for metric in ours.values()) > 0:
        axes.set_xscale("log")
        format_log_axis(axes.xaxis)
    axes.grid(axis="x", which="both", color="#e4e7eb", linewidth=0.6)
    axes.errorbar([], [], fmt="o", color=COLOURS[0], label="this run")
    if published:
        axes.errorbar([], [], fmt="D", mfc="white", mec=COLOURS[6], ecolor=COLOURS[6],
                      label="published")  # fmt: skip
    axes.legend(loc="lower right")
    return figure


@apply_style
def plot_trade_off(
    points: Mapping[str, tuple[float, Measurement]], cost: str, metric: str
) -> Figure:
    """Return a metric against a cost, with its error over seeds or statistics; names on the right.

    points  Network → (cost, metric).
    cost    Axis label of the cost, e.g. "Parameters".
    metric  Axis label of the metric.
    """
    names_size = 0.085 * max(map(len, points))  # in inches
    figure, axes = canvas(6.0 + names_size, max(4.8, 0.27 * len(points)))
    order = sorted(points, key=lambda name: points[name][1].value)
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(order)}
    for name, (x, y) in points.items():
        error = np.nan_to_num(y.seed_std if y.seeds > 1 else y.error)
        axes.errorbar(x, y.value, error, fmt="o", ms=6, lw=1.2, color=colours[name])
    axes.set(xscale="log", yscale="log", xlabel=cost, ylabel=metric)
    axes.margins(0.06)
    for axis in (axes.xaxis, axes.yaxis):
        format_log_axis(axis)
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    low, high = np.log(axes.get_ylim())
    wanted = np.array([(np.log(points[n][1].value) - low) / (high - low) for n in order])
    for name, height in zip(order, spread_labels(wanted), strict=True):
        axes.annotate(
            name, (points[name][0], points[name][1].value), (1.07, height),
            textcoords="axes fraction", va="center", color=INK, fontsize=9, annotation_clip=False,
            zorder=1,
            arrowprops={"arrowstyle": "-", "color": colours[name], "lw": 0.7, "alpha": 0.7},
        )  # fmt: skip
    return figure


def spread_labels(heights: Floats) -> Floats:
    """Return rising heights (labels,) below 1, moved apart where two labels would overlap."""
    gap = min(SPACING, 1 / len(heights))
    placed = heights.copy()
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + gap)
    ceiling = 1 - gap * np.arange(len(placed))[::-1]  # leaves space for the labels above
    return np.asarray(np.minimum(placed, ceiling), np.float64)


@apply_style
def plot_parameter(curves: Mapping[str, Mapping[float, Measurement]], label: str) -> Figure:
    """Return the AUC of networks against a parameter, as a resonance's mass (arXiv:1601.07913).

    The axis is logarithmic in 1 − AUC, so that good networks are distinguishable.

    curves  Network → value of the parameter → AUC.
    label   Axis label of the parameter with its unit.
    """
    figure, axes = canvas(8.4)
    for k, (name, points) in enumerate(curves.items()):
        values = sorted(points)
        axes.errorbar(
            values, [points[v].value for v in values], [points[v].error for v in values],
            marker=AUC_MARKERS[k % len(AUC_MARKERS)], ms=5, elinewidth=1.2,
            zorder=3 + len(curves) - k, label=name, **line_style(k),
        )  # fmt: skip
    all_values = sorted({value for points in curves.values() for value in points})
    if len(all_values) <= MAX_TICKS:
        axes.set_xticks(all_values)
        axes.xaxis.set_minor_locator(NullLocator())
    _scale_auc(axes, [f for points in curves.values() for f in points.values()])
    axes.set(xlabel=label, ylabel="AUC")
    axes.grid(axis="y", lw=0.4, alpha=0.5)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return figure


def _scale_auc(axes: Axes, points: list[Measurement]) -> None:
    """Scale the y axis by −log(1 − AUC) and label it by the AUC."""
    axes.set_yscale("function", functions=(_log_distance, lambda y: 1 - 10.0**-y))
    lowest = min((f.value - np.nan_to_num(f.error) for f in points), default=0.0)
    highest = max((f.value + np.nan_to_num(f.error) for f in points), default=0.9)
    low, high = _log_distance(np.array([max(lowest, 0.0), highest]))
    margin = 0.05 * (high - low) + 0.01
    axes.set_ylim(1 - 10.0 ** (margin - low), 1 - 10.0 ** -(high + margin))
    axes.yaxis.set_major_locator(FixedLocator(AUC_TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))


def _log_distance(values: Any) -> Any:
    return -np.log10(np.clip(1 - np.asarray(values, np.float64), 1e-6, None))


@apply_style
def plot_rank_correlation(
    signal: Floats, background: Floats, names: Sequence[str], classes: tuple[str, str]
) -> Figure:
    """Return the rank correlations of networks' scores as one matrix of two triangles.

    signal      Over the signal (names, names), above the diagonal.
    background  Over the background, below the diagonal.
    names       Of the networks.
    classes     Names of signal and background.
    """
    count = len(names)
    matrix = np.where(np.triu(np.ones((count, count), bool)), signal, background)
    names_size = 0.085 * max(map(len, names))
    title = _wrap(f"Rank correlation [%]: {classes[0]} above, {classes[1]} below the diagonal")
    width = max(1.0 + 0.42 * count + names_size, 4.6)
    figure, axes = canvas(width, 1.0 + 0.42 * count + names_size + 0.2 * title.count("\n"))
    lowest = min(0.0, float(matrix.min()))
    axes.imshow(matrix, cmap="Blues", vmin=lowest, vmax=1.25)
    for (row, column), value in np.ndenumerate(matrix):
        if row != column:
            colour = "white" if value > 0.8 else INK
            text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.set_xticks(range(count), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    figure.suptitle(title, fontsize=10)
    return figure


def _wrap(text: str, width: int = 52) -> str:
    return textwrap.fill(text, width)


@apply_style
def plot_dimension_correlation(
    matrices: Mapping[str, NDArray[Any]], observables: Sequence[str]
) -> Figure:
    """Return the correlations of a vector's dimensions with observables, one panel a vector.

    matrices     Title → correlations (observable, dimension), from −1 to 1.
    observables  Names of the rows.
    """
    dimensions = next(iter(matrices.values())).shape[1]
    size = 1.6 + 0.34 * dimensions, 1.0 + 0.32 * len(observables)
    figure, panels = grid(len(matrices), 2, *size)
    for panel, (title, matrix) in zip(panels, matrices.items(), strict=True):
        panel.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.6 else INK
            text = f"{100 * value:.0f}"
            panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=7.5)
        panel.minorticks_off()
        panel.tick_params(length=0)
        panel.set_xticks(range(dimensions))
        panel.set_yticks(range(len(observables)), observables)
        panel.set_xlabel("Dimension")
        panel.set_title(f"{title}: rank correlation [%]", fontsize=10)
    return figure
