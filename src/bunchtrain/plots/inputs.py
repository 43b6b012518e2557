"""Plots of inputs: distributions, importance, χ² between data and simulation, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from bunchtrain.plots.histogram import Density
from bunchtrain.plots.style import (
    COLOURS,
    INK,
    apply_style,
    axis_label,
    bin_edges,
    canvas,
    fixed_grid,
    grid,
)

MAX_IMPORTANCES = 25  # inputs whose importance is drawn
TICKS = 5  # intervals of an axis of a small panel, at most
MAX_NAME = 40  # characters of a name on the axis
#: Fraction of the largest intensity below which a pixel is white.
MIN_INTENSITY = 1e-4
#: Fraction of the largest difference below which the scale is linear.
LINEAR = 0.03


@apply_style
def plot_inputs(
    inputs: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    class_names: Sequence[str],
    weights: NDArray[Any] | None = None,
    columns: int = 3,
    units: Mapping[str, str] | None = None,
) -> Figure:
    """Return the distribution of each input in each class, a small panel an input.

    inputs       Name of the column → values (events,); NaN are left out.
    truth        (events,) index of the true class.
    class_names  (classes,).
    weights      (events,) or None for equal weights.
    columns      Panels in a row.
    units        Input → unit, where it is known.
    """
    figure, panels = fixed_grid(len(inputs), columns)
    for axes, (label, values) in zip(panels, inputs.items(), strict=True):
        edges = bin_edges(values)
        for k in range(len(class_names)):
            chosen = truth == k
            w = None if weights is None else weights[chosen]
            Density.of(values[chosen], w, edges).draw_steps(axes, COLOURS[k % len(COLOURS)])
        name = axis_label(label, (units or {}).get(label))
        axes.set(xlabel=name, ylabel="Density", xlim=(edges[0], edges[-1]))
        axes.set_ylim(bottom=0)
        axes.locator_params(nbins=TICKS)
        axes.ticklabel_format(axis="y", scilimits=(-2, 4))  # numbers that fit into the margin
    handles = list(panels[0].patches)[: len(class_names)]
    figure.legend(handles, class_names, loc="upper left", ncols=len(class_names))
    return figure


@apply_style
def plot_importance(
    names: Sequence[str],
    values: NDArray[Any],
    errors: NDArray[Any] | None = None,
    label: str = "Importance",
    most: int = MAX_IMPORTANCES,
) -> Figure:
    """Return the `most` important inputs as horizontal bars, the largest at the top.

    names   (inputs,); the middle of long ones is left out.
    values  (inputs,) importance, in the unit of `label`.
    errors  (inputs,) or None.
    label   Label of the x axis.
    most    Largest number of inputs.
    """
    order = np.argsort(values)[-most:]
    figure, axes = canvas(6.0, 1.2 + 0.28 * len(order))
    axes.barh(
        range(len(order)),
        np.asarray(values)[order],
        xerr=None if errors is None else np.asarray(errors)[order],
        color=COLOURS[0],
        ecolor=INK,
        height=0.7,
    )
    axes.set_yticks(range(len(order)), [shorten(names[k]) for k in order])
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    power = int(np.floor(np.log10(max(float(np.abs(values).max(initial=0)), 1e-300))))
    if not -3 < power < 4:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / 10.0**power:g}"))
        label = rf"{label} [$10^{{{power}}}$]"
    axes.set_xlabel(label)
    axes.margins(y=0.01)
    return figure


def shorten(name: str) -> str:
    """Return a name of at most `MAX_NAME` characters, its middle replaced by an ellipsis."""
    head, tail = MAX_NAME // 2, MAX_NAME - MAX_NAME // 2 - 1
    return name if len(name) <= MAX_NAME else f"{name[:head]}…{name[-tail:]}"


@apply_style
def plot_closure(chi2: Mapping[str, Mapping[str, float]]) -> Figure:
    """Return χ²/n of each input between data and simulation, before and after reweightings.

    chi2  Weights, e.g. `none` or a network → input → χ² over degrees of freedom.
    """
    inputs = list(next(iter(chi2.values())))
    figure, axes = canvas(7.0, 1.6 + 0.32 * len(inputs))
    rows = np.arange(len(inputs))
    for k, (name, values) in enumerate(chi2.items()):
        found = np.maximum([values[one] for one in inputs], 1e-2)
        axes.plot(found, rows, "o", ms=6, color=COLOURS[k % len(COLOURS)], label=name)
    axes.axvline(1.0, color="0.6", lw=1, ls="--")
    axes.set(xscale="log", xlabel=r"$\chi^2$ / degrees of freedom", yticks=rows)
    axes.set_yticklabels(inputs)
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_ylim(len(inputs) - 0.5, -0.5)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@apply_style
def plot_images(
    images: Mapping[str, NDArray[Any]],
    extent: tuple[float, float, float, float],
    labels: tuple[str, str] = ("Δη", "Δφ"),
    columns: int = 3,
    log: bool = True,
) -> Figure:
    """Return one panel an image; with negative values white is 0, red positive, blue negative.

    images   Title → (row, column), the first row at the bottom.
    extent   Left, right, lower and upper end.
    labels   Of the two axes.
    columns  Panels in a row.
    log      Whether colours are logarithmic, in an image with negative values where their size is
             above `LINEAR` of the largest.
    """
    figure, axes = grid(len(images), columns)
    for panel, (title, image) in zip(axes, images.items(), strict=True):
        norm, colours = _colour_scale(np.asarray(image), log)
        shown = panel.imshow(
            image, origin="lower", extent=extent, aspect="auto", norm=norm, cmap=colours
        )
        panel.minorticks_off()
        panel.set(xlabel=labels[0], ylabel=labels[1])
        panel.set_title(title, fontsize=10)
        bar = figure.colorbar(shown, ax=panel, pad=0.02)
        bar.ax.tick_params(labelsize=8)
        bar.ax.minorticks_off()
    return figure


def _colour_scale(image: NDArray[Any], log: bool) -> tuple[Normalize, str]:
    most = max(float(np.abs(image).max(initial=0)), 1e-30)
    if image.min(initial=0) < 0:
        symmetric = SymLogNorm(LINEAR * most, vmin=-most, vmax=most)
        return symmetric if log else Normalize(-most, most), "RdBu_r"
    return LogNorm(MIN_INTENSITY * most, most) if log else Normalize(0, most), "viridis"
