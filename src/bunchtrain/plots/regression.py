"""Plots of a regressed value: response, resolution, pull, linearity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.scores import density
from bunchtrain.plots.style import COLOURS, bin_edges, canvas, headroom, styled
from bunchtrain.statistics.metrics import Measurement, half_width, profile, pull_mean, pull_width
from bunchtrain.statistics.metrics.linearity import Profile


@styled
def plot_response(
    residuals: Mapping[str, NDArray[Any]],
    label: str,
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return the density of predicted − true (or predicted/true) of each network.

    Args:
        residuals: Name of the network → (events,) in the unit that the label says.
        label: Axis label, as `predicted − true [GeV]`.
        weights: (events,) or None for equal weights.
    """
    figure, axes = canvas()
    edges = bin_edges(np.concatenate(list(residuals.values())), 60)
    for k, (name, values) in enumerate(residuals.items()):
        mplhep.histplot(
            density(values, weights, edges), ax=axes, color=COLOURS[k % len(COLOURS)],
            yerr=False, flow=None, label=f"{name} (half 68 % width {half_width(values, weights)})",
        )  # fmt: skip
    axes.set(xlabel=label, ylabel="Density", xlim=(edges[0], edges[-1]))
    headroom(axes, 1.1 + 0.08 * len(residuals))
    axes.legend(loc="upper left")
    return figure


@styled
def plot_resolution(
    residuals: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    label: str,
    weights: NDArray[Any] | None = None,
    name: str = "Half 68 % width",
) -> Figure:
    """Return half the 68 % width of residuals (events,) in bins of the truth (events,).

    The axis holds the central 98 % of the truths.
    """
    figure, axes = canvas()
    for k, (member, values) in enumerate(residuals.items()):
        binned = profile(values, truth, weights)
        _profile(axes, binned, binned.resolution, member, COLOURS[k % len(COLOURS)])
    axes.set(xlabel=label, ylabel=name, ylim=(0, None), xlim=np.quantile(truth, [0.01, 0.99]))
    headroom(axes, 1.35)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure


def _profile(
    axes: Axes, binned: Profile, figures: list[Measurement], name: str, colour: str
) -> None:
    reach = [binned.centre - binned.edges[:-1], binned.edges[1:] - binned.centre]
    axes.errorbar(
        binned.centre, [f.value for f in figures], [f.error for f in figures], reach, fmt="o", ms=4,
        elinewidth=1.3, color=colour, label=name,
    )  # fmt: skip


@styled
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
        mplhep.histplot(
            density(values, weights, edges), ax=axes, color=COLOURS[k % len(COLOURS)],
            yerr=False, flow=None, label=text,
        )  # fmt: skip
    axes.set(xlabel="(predicted − true) / σ", ylabel="Density", xlim=(-5, 5), ylim=(0, None))
    headroom(axes, 1.2 + 0.08 * len(pulls))
    axes.legend(loc="upper left")
    return figure


@styled
def plot_linearity(
    prediction: NDArray[Any],
    truth: NDArray[Any],
    label: str,
    unit: str = "",
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return events in (true, predicted), with the mean prediction in bins of the truth.

    Args:
        prediction: (events,).
        truth: (events,) in the same unit.
        label: Name of the value.
        unit: Its unit, as `GeV`.
        weights: (events,) or None for equal weights.
    """
    figure, axes = canvas()
    edges = bin_edges(np.concatenate([truth, prediction]), 60)
    _, _, _, shades = axes.hist2d(
        truth, prediction, [edges, edges], weights=weights, cmap="Blues", norm=LogNorm()
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
