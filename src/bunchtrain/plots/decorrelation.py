"""Plots of a score's dependence on a column: rejection against 1/JSD, spectra, profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import (
    COLOURS,
    INK,
    MARKERS,
    add_headroom,
    apply_style,
    canvas,
    format_log_axis,
    grid,
    side_by_side,
)
from bunchtrain.statistics.metrics import Measurement, as_weights, binned_mean


@dataclass(frozen=True)
class DecorrelationPoint:
    """Independence and rejection of a score at one working point.

    method       its points are joined by a line in order of strength.
    strength     of the method, as λ; None where it has none.
    inverse_jsd  1/JSD of the background that passes and fails.
    rejection    1/ε_B.
    """

    method: str
    strength: float | None
    inverse_jsd: Measurement
    rejection: Measurement


@apply_style
def plot_decorrelation(
    points: Sequence[DecorrelationPoint],
    efficiency: float,
    column: str,
    independent: float | None = None,
) -> Figure:
    """Return 1/ε_B against 1/JSD at a signal efficiency, with errors (ATL-PHYS-PUB-2018-014).

    points       Of all methods and strengths.
    efficiency   Signal efficiency of the cuts.
    column       Name of the column with its unit, for the axis.
    independent  Mean 1/JSD of independent scores with these events; larger values are not
                 significantly different.
    """
    figure, axes = canvas(7.0, 5.2)
    methods = list(dict.fromkeys(point.method for point in points))
    for k, method in enumerate(methods):
        own = sorted((p for p in points if p.method == method), key=lambda p: p.strength or 0.0)
        x, y = (
            np.array([[getattr(p, name).value, getattr(p, name).error] for p in own]).T
            for name in ("inverse_jsd", "rejection")
        )
        axes.errorbar(
            x[0], y[0], xerr=_positive_errors(*x), yerr=_positive_errors(*y),
            color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)], linewidth=1.0,
            elinewidth=1.0, label=method,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log")
    if independent is not None:
        axes.axvline(
            independent, color=INK, linestyle=":", linewidth=1.2, label="independent score"
        )
    percent = f"{100 * efficiency:g}"
    axes.set_xlabel(rf"Independence of {column}, 1/JSD$_{{{percent}}}$")
    axes.set_ylabel(rf"Background rejection $1/\varepsilon_B$ at $\varepsilon_S$ = {percent} %")
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    add_headroom(axes, 1.15 + 0.08 * math.ceil((len(methods) + 1) / 3))
    axes.legend(ncols=3, loc="upper center", fontsize=9)
    format_log_axis(axes.xaxis)
    format_log_axis(axes.yaxis)
    return figure


def _positive_errors(value: NDArray[Any], error: NDArray[Any]) -> NDArray[Any]:
    """Return errors (2, points) whose lower ends are above zero, for a logarithmic axis."""
    error = np.nan_to_num(error)
    return np.stack([np.minimum(error, 0.9 * value), error])


@apply_style
def plot_spectra(
    values: NDArray[Any],
    passed: Mapping[str, Mapping[str, NDArray[Any]]],
    edges: NDArray[Any],
    label: str,
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return a panel for each network: normalised spectra of all events, and of those that pass.

    values   (events,) of the column, of background.
    passed   Network → name of the working point → (events,) bool.
    edges    (bins + 1,) in the unit of the column.
    label    Axis label of the column with its unit.
    weights  (events,) or None for equal weights.
    """
    w = as_weights(weights, len(values))
    figure, panels = grid(len(passed), 3)
    for axes, (network, points) in zip(panels, passed.items(), strict=True):
        everything, _ = _normalised_spectrum(values, w, edges)
        axes.stairs(everything, edges, fill=True, color="#d5dae0", label="all")
        for k, (point, chosen) in enumerate(points.items()):
            _draw_spectrum(axes, values[chosen], w[chosen], edges, COLOURS[k], point)
        axes.set_title(network, loc="left", fontsize=10, color=INK)
        axes.set(xlabel=label, ylabel="Normalised", ylim=(0, None))
        add_headroom(axes, 1.35)
        axes.legend(ncols=2, fontsize=8, loc="upper center")
    return figure


def _draw_spectrum(
    axes: Axes,
    values: NDArray[Any],
    weights: NDArray[Any],
    edges: NDArray[Any],
    colour: str,
    label: str,
) -> None:
    density, error = _normalised_spectrum(values, weights, edges)
    axes.stairs(density, edges, color=colour, linewidth=1.4, label=label)
    centres = (edges[1:] + edges[:-1]) / 2
    axes.errorbar(centres, density, error, fmt="none", ecolor=colour, elinewidth=0.9)


def _normalised_spectrum(
    values: NDArray[Any], weights: NDArray[Any], edges: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the share of the weight in each bin over its width, and its error, (bins,) each."""
    total = max(float(weights.sum()), np.finfo(float).tiny)
    sums = np.histogram(values, edges, weights=weights)[0]
    squares = np.histogram(values, edges, weights=weights**2)[0]
    width = np.diff(edges) * total
    return sums / width, np.sqrt(squares) / width


@apply_style
def plot_score_profile(
    scores: Mapping[str, NDArray[Any]],
    values: NDArray[Any],
    edges: NDArray[Any],
    label: str,
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return the mean rank of a score in bins of a column, flat for an independent score.

    scores   Network → rank of its score, (events,), of one class of events.
    values   (events,) of the column.
    edges    (bins + 1,) in the unit of the column.
    label    Axis label of the column with its unit.
    weights  (events,) or None for equal weights.
    """
    w = as_weights(weights, len(values))
    figure, axes = canvas()
    halves = np.diff(edges) / 2 if len(scores) == 1 else None
    for k, (name, score) in enumerate(scores.items()):
        mean, error = binned_mean(score, values, edges, w)
        colour, x = COLOURS[k % len(COLOURS)], side_by_side(edges, k, len(scores))
        axes.errorbar(x, mean, error, halves, fmt="o", ms=4, color=colour, label=name)
    axes.set(xlabel=label, ylabel="Mean rank of background", ylim=(0, None))
    add_headroom(axes, 1.35)
    axes.legend(ncols=2, loc="upper center", fontsize=9)
    return figure
