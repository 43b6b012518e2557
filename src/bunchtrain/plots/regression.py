"""Plots of a regressed value: response, resolution, pull, linearity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.histogram import Density
from bunchtrain.plots.style import (
    COLOURS,
    add_headroom,
    apply_style,
    bin_edges,
    canvas,
    side_by_side,
)
from bunchtrain.statistics.metrics import Measurement, half_width, profile, pull_mean, pull_width


@apply_style
def plot_response(
    residuals: Mapping[str, NDArray[Any]], label: str, weights: NDArray[Any] | None = None
) -> Figure:
    """Return the density of predicted − true (or predicted/true) of each network.

    residuals  Name of the network → (events,) in the unit of the label.
    label      Axis label, e.g. `predicted − true [GeV]`.
    weights    (events,) or None for equal weights.
    """
    figure, axes = canvas()
    edges = bin_edges(np.concatenate(list(residuals.values())), 60)
    for k, (name, values) in enumerate(residuals.items()):
        text = f"{name} (half 68 % width {half_width(values, weights)})"
        Density.of(values, weights, edges).draw_steps(axes, COLOURS[k % len(COLOURS)], text)
    axes.set(xlabel=label, ylabel="Density", xlim=(edges[0], edges[-1]))
    add_headroom(axes, 1.1 + 0.08 * len(residuals))
    axes.legend(loc="upper left")
    return figure


@apply_style
def plot_resolution(
    residuals: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    label: str,
    weights: NDArray[Any] | None = None,
    name: str = "Half 68 % width",
) -> Figure:
    """Return half the 68 % width of residuals (events,) in bins of the truth (events,).

    The axis spans the central 98 % of the truths.
    """
    figure, axes = canvas()
    shown, several = np.quantile(truth, [0.01, 0.99]), len(residuals) > 1
    for k, (network, values) in enumerate(residuals.items()):
        binned = profile(values, truth, weights)
        edges = np.clip(binned.edges, *shown)
        x = side_by_side(edges, k, len(residuals)) if several else binned.centre
        widths = None if several else [x - binned.edges[:-1], binned.edges[1:] - x]
        axes.errorbar(
            x, [f.value for f in binned.resolution],
            [f.error for f in binned.resolution], widths, fmt="o", ms=4, elinewidth=1.3,
            color=COLOURS[k % len(COLOURS)], label=network,
        )  # fmt: skip
    limits = shown if shown[0] < shown[1] else None  # one truth for almost all events
    axes.set(xlabel=label, ylabel=name, ylim=(0, None), xlim=limits)
    add_headroom(axes, 1.35)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure


@apply_style
def plot_pull(pulls: Mapping[str, NDArray[Any]], weights: NDArray[Any] | None = None) -> Figure:
    """Return the density of pulls (events,) of each network with the unit Gaussian."""
    figure, axes = canvas()
    edges = np.linspace(-5, 5, 51)
    x = np.linspace(-5, 5, 400)
    axes.fill_between(
        x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color="#e4e7eb", lw=0, label="unit Gaussian"
    )
    for k, (name, values) in enumerate(pulls.items()):
        text = f"{name}: mean {pull_mean(values, weights)}, width {pull_width(values, weights)}"
        Density.of(values, weights, edges).draw_steps(axes, COLOURS[k % len(COLOURS)], text)
    axes.set(xlabel="(predicted − true) / σ", ylabel="Density", xlim=(-5, 5), ylim=(0, None))
    add_headroom(axes, 1.2 + 0.08 * len(pulls))
    axes.legend(loc="upper left")
    return figure


@apply_style
def plot_linearity(
    prediction: NDArray[Any],
    truth: NDArray[Any],
    label: str,
    unit: str = "",
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return events in (true, predicted), with the mean prediction in bins of the truth.

    prediction  (events,).
    truth       (events,) in the same unit.
    label       Name of the value.
    unit        Its unit, e.g. `GeV`.
    weights     (events,) or None for equal weights.
    """
    figure, axes = canvas()
    edges = bin_edges(np.concatenate([truth, prediction]), 60)
    counts, *_ = np.histogram2d(truth, prediction, [edges, edges], weights=weights)
    # A colour scale in powers of ten needs a positive number of events in a bin.
    norm = LogNorm() if counts.max() > 0 else None
    *_, shades = axes.hist2d(
        truth, prediction, [edges, edges], weights=weights, cmap="Blues", norm=norm
    )
    shades.set_rasterized(True)
    figure.colorbar(shades, ax=axes, label="Events", pad=0.01)
    axes.plot(edges[[0, -1]], edges[[0, -1]], "--", color="#717581", lw=1.2)
    binned = profile(prediction - truth, truth, weights)
    means = [c + f.value for c, f in zip(binned.centre, binned.bias, strict=True)]
    errors = [f.error for f in binned.bias]
    axes.errorbar(binned.centre, means, errors, fmt="o", ms=4, color=COLOURS[2], label="mean")
    ending = f" [{unit}]" if unit else ""
    axes.set(xlabel=f"True {label}{ending}", ylabel=f"Predicted {label}{ending}")
    axes.legend(loc="upper left")
    return figure


@apply_style
def plot_by_sample(noise: Mapping[str, Sequence[Measurement]]) -> Figure:
    """Return a measurement of each sample of a series, with its error, of each network.

    noise  Name of the network → measurement of each sample.
    """
    figure, axes = canvas()
    for k, (name, found) in enumerate(noise.items()):
        axes.errorbar(
            np.arange(len(found)), [f.value for f in found], [f.error or 0.0 for f in found],
            fmt="o-", ms=3, lw=1, elinewidth=1.2, color=COLOURS[k % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set(xlabel="Sample", ylabel="Residual noise", ylim=(0, None))
    add_headroom(axes, 1.1 + 0.08 * len(noise))
    axes.legend(loc="upper left")
    return figure
