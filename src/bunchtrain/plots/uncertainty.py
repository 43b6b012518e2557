"""Plots of predicted uncertainties: coverage, σ against the mean, profiles, response to shifts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import (
    COLOURS,
    MAX_LEGEND,
    add_headroom,
    apply_style,
    canvas,
    format_log_axis,
    grid,
    side_by_side,
)
from bunchtrain.statistics.metrics import (
    Measurement,
    binned_mean,
    coverage,
    gaussian_interval,
    quantile,
)

#: Prediction, its σ and the truth, (events,) each.
PredictedInterval = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
#: Class of events → mean, and its error, at every shift; (shifts,) each.
Curves = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
#: Measurement of some values (events,) and their weights.
Measure = Callable[[NDArray[Any], NDArray[Any]], Measurement]
#: Ratio of a column's largest to its smallest value above which its axis is logarithmic.
LOG_RATIO = 20.0


@apply_style
def plot_coverage(
    predicted: Mapping[str, PredictedInterval], weights: NDArray[Any] | None = None
) -> Figure:
    """Return observed − nominal coverage of Gaussian intervals, a curve a network.

    predicted  Network → prediction, σ and truth, (events,) each.
    weights    (events,) or None for equal weights.
    """
    figure, axes = canvas()
    levels = np.linspace(0.05, 0.95, 19)
    axes.axhline(0, ls="--", color="#94a4a2", lw=1.2)
    for k, (name, (value, sigma, truth)) in enumerate(list(predicted.items())[:MAX_LEGEND]):
        found = [
            coverage(truth, *gaussian_interval(value, sigma, level), weights) for level in levels
        ]
        gaps = [100 * (f.value - level) for f, level in zip(found, levels, strict=True)]
        axes.errorbar(
            100 * levels, gaps, [100 * f.error for f in found], fmt="o-", ms=4, lw=1.2,
            color=COLOURS[k], label=name,
        )  # fmt: skip
    axes.set(xlabel="Nominal coverage [%]", ylabel="Observed − nominal [%]", xlim=(0, 100))
    axes.margins(y=0.25)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure


@apply_style
def plot_uncertainty(
    predicted: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    label: str,
    weights: NDArray[Any] | None = None,
    bins: int = 20,
) -> Figure:
    """Return the mean predicted σ in bins of the mean probability (arXiv:1904.10004).

    A network whose σ came from the position on the sigmoid alone, σ_l p(1 − p) for a standard
    deviation σ_l of the logit, would be a parabola.

    predicted  Network → mean and standard deviation of the probability, (events,) each.
    label      Axis label of the mean.
    weights    (events,) or None for equal weights.
    bins       Number of bins between 0 and 1.
    """
    figure, axes = canvas()
    edges = np.linspace(0, 1, bins + 1)
    edges[-1] += 1e-6  # so that p = 1 is in the last bin
    centres = (edges[1:] + edges[:-1]) / 2
    for k, (name, (mean, sigma)) in enumerate(predicted.items()):
        w = np.ones(len(mean)) if weights is None else weights
        values, errors = binned_mean(sigma, mean, edges, w)
        colour = COLOURS[k % len(COLOURS)]
        axes.errorbar(centres, values, errors, fmt="o-", ms=4, lw=1.2, color=colour, label=name)
    axes.set(xlabel=label, ylabel="Mean standard deviation", xlim=(0, 1), ylim=(0, None))
    add_headroom(axes, 1.45)
    axes.legend(loc="upper center", ncols=2, fontsize=9)
    return figure


@apply_style
def plot_metric_profile(
    values: Mapping[str, NDArray[Any]],
    column: NDArray[Any],
    measure: Measure,
    labels: tuple[str, str],
    weights: NDArray[Any],
    bins: int = 12,
) -> Figure:
    """Return a metric in bins of equal population of a column, with its error, by network.

    The points of the networks are side by side within the bins, whose edges are thin lines. A
    positive column that spans a factor above 20 has a logarithmic axis.

    values   Network → (events,), as pulls or residuals.
    column   (events,).
    measure  Metric of the values in a bin.
    labels   Axis labels of the column and of the metric.
    weights  (events,).
    bins     Number of bins.
    """
    figure, axes = canvas()
    edges = np.unique(quantile(column, np.linspace(0, 1, bins + 1), weights))
    index = np.clip(np.searchsorted(edges, column, "right") - 1, 0, len(edges) - 2)
    log = edges[0] > 0 and edges[-1] > LOG_RATIO * edges[0]
    for edge in edges[1:-1]:
        axes.axvline(edge, color="#e4e7eb", linewidth=0.6, zorder=0)
    for n, (name, own) in enumerate(values.items()):
        found = [
            measure(own[index == k], weights[index == k])
            if np.count_nonzero(index == k) > 1
            else Measurement(np.nan)
            for k in range(len(edges) - 1)
        ]
        axes.errorbar(
            side_by_side(edges, n, len(values), log),
            [f.value for f in found],
            [f.error for f in found],
            fmt="o", ms=4, elinewidth=1.2, color=COLOURS[n % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(edges[0], edges[-1]))
    if log:
        axes.set_xscale("log")
        format_log_axis(axes.xaxis)
    add_headroom(axes, 1.35)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure


@apply_style
def plot_response_curves(
    amounts: NDArray[Any], panels: Mapping[str, Mapping[str, Curves]], label: str
) -> Figure:
    """Return predictive mean and σ against a shift of the events, a panel each (arXiv:1904.10004).

    One curve a network and class: full for the signal, dashed for the others.

    amounts  (shifts,) signed sizes.
    panels   Axis label → network → curves, the last class being the signal.
    label    Axis label of the shift.
    """
    figure, axes = grid(len(panels), 2, 5.2, 4.4)
    order = list(dict.fromkeys(network for networks in panels.values() for network in networks))
    for panel, (quantity, networks) in zip(axes, panels.items(), strict=False):
        for network, curves in list(networks.items())[:MAX_LEGEND]:
            colour = COLOURS[order.index(network) % len(COLOURS)]
            for k, (mean, error) in enumerate(reversed(list(curves.values()))):
                panel.errorbar(
                    amounts, mean, error, fmt="o-" if k == 0 else "o--", ms=3, lw=1.2,
                    color=colour, label=network if k == 0 else None,
                )  # fmt: skip
        means = [mean for curves in networks.values() for mean, _ in curves.values()]
        highest = max(float(np.max(mean)) for mean in means)
        panel.set(xlabel=label, ylabel=quantity, ylim=(0, 1.3 * highest))
        panel.legend(loc="upper center", ncols=2, fontsize=8)
    return figure
