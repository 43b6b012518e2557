"""Plots of a classifier: ROC, scores, confusion matrix, calibration, efficiency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.histogram import Density
from bunchtrain.plots.style import (
    COLOURS,
    INK,
    MAX_LEGEND,
    add_headroom,
    add_legend,
    apply_style,
    canvas,
    format_log_axis,
    legend_height,
    line_style,
    side_by_side,
)
from bunchtrain.statistics.metrics import (
    BinnedEfficiency,
    Calibration,
    Floats,
    Measurement,
    Roc,
    auc,
)

#: Longest names of classes that are level below a confusion matrix.
MAX_LEVEL = 9
#: Classes up to which the cells of a confusion matrix have numbers.
MAX_NUMBERS = 20


@dataclass(frozen=True)
class PublishedPoint:
    """A published background rejection at a signal efficiency, and the name of its network."""

    name: str
    efficiency: float
    rejection: Measurement


@apply_style
def plot_roc(
    curves: Mapping[str, Roc],
    published: Sequence[PublishedPoint] = (),
    signal: str = "signal",
    background: str = "background",
    correlated: bool = False,
) -> Figure:
    """Return 1/ε_B against ε_S with bands of one standard deviation, one curve a network.

    With more than `MAX_LEGEND` networks the bands and the published points are left out.

    curves      Name of the network → its ROC. Published points of the same name share its colour.
    published   Published rejections, drawn as open markers.
    signal      Name of the signal class.
    background  Name of the background.
    correlated  Whether rows are correlated, as points of an event or windows of a series are; then
                neither bands nor the error of the AUC are shown, which hold for independent rows.
    """
    crowded = len(curves) > MAX_LEGEND
    figure, axes = canvas(8.4, legend_height(len(curves))) if crowded else canvas()
    styles = {name: line_style(k) for k, name in enumerate(curves)}
    highest = 10.0
    for name, curve in curves.items():
        area = f"{auc(curve).value:.3f}" if correlated else auc(curve)
        text, band = f"{name} (AUC {area})", not (crowded or correlated)
        drawn = _draw_roc(axes, curve, text, styles[name], band)
        highest = max(highest, drawn)
    guess = np.linspace(0.01, 1, 200)
    axes.plot(guess, 1 / guess, ":", color="#94a4a2", lw=1.2, label="random guess", zorder=1)
    for point in () if crowded else published:
        highest = max(highest, point.rejection.value)
        colour = styles.get(point.name, {"color": INK})["color"]
        error = np.nan_to_num(point.rejection.error)
        axes.errorbar(
            point.efficiency, point.rejection.value, yerr=error, marker="D", ms=6, mfc="white",
            mec=colour, ecolor=colour, zorder=5,
        )  # fmt: skip
    if published and not crowded:
        axes.errorbar([], [], marker="D", mfc="white", mec=INK, ls="", label="published")
    lines = 0 if crowded else len(curves) + 1 + bool(published)
    axes.set(yscale="log", xlim=(0, 1), ylim=(1, highest ** (1.1 + 0.055 * lines)))
    axes.set_xlabel(rf"Signal efficiency $\varepsilon_S$ ({signal})")
    axes.set_ylabel(rf"Background rejection $1/\varepsilon_B$ ({background})")
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    axes.tick_params(axis="x", pad=6)  # its first label is beside that of the y axis
    add_legend(axes, len(curves), "upper right")
    return figure


def _draw_roc(axes: Axes, curve: Roc, label: str, style: dict[str, Any], band: bool) -> float:
    """Draw a curve where it is more than a fluctuation, and return its largest rejection."""
    efficiency = np.linspace(0.01, 1, 300)
    mistag, error = curve.background_at(efficiency)
    precise = mistag * curve.background_count >= 2  # below, the error is as large as the value
    x, b, e = efficiency[precise], mistag[precise], error[precise]
    axes.plot(x, 1 / b, label=label, lw=1.8 if band else 1.3, **style)
    if band:
        low, high = 1 / (b + e), 1 / np.maximum(b - e, b / 10)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.22, lw=0)
    return float(1 / b.min()) if len(b) else 1.0


@apply_style
def plot_scores(
    scores: NDArray[Any],
    truth: NDArray[Any],
    class_names: Sequence[str],
    weights: NDArray[Any] | None = None,
    training: tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None] | None = None,
    label: str = "Network score",
    bins: int = 40,
) -> Figure:
    """Return the score's density per class: the test set filled, the training set as points.

    scores       (events,) of the test set, between 0 and 1.
    truth        (events,) index of the true class.
    class_names  (classes,).
    weights      (events,) or None for equal weights.
    training     Scores, truth and weights of the training set, or None.
    label        Label of the x axis.
    bins         Number of bins between 0 and 1.
    """
    figure, axes = canvas()
    edges = np.linspace(0, 1, bins + 1)
    for k, name in enumerate(class_names):
        chosen, colour = truth == k, COLOURS[k % len(COLOURS)]
        found = Density.of(scores[chosen], None if weights is None else weights[chosen], edges)
        found.draw_area(axes, colour)
        found.draw_steps(axes, colour, name)
    for k, name in enumerate(class_names if training else ()):
        assert training is not None
        chosen, w = training[1] == k, training[2]
        points = Density.of(training[0][chosen], None if w is None else w[chosen], edges)
        points.draw_points(axes, COLOURS[k % len(COLOURS)], f"{name}, training")
    axes.set(yscale="log", xlim=(0, 1), xlabel=label, ylabel="Density")
    add_headroom(axes, 1.25)
    axes.legend(ncols=2, loc="upper center")
    return figure


@apply_style
def plot_confusion(matrix: Floats, errors: Floats, class_names: Sequence[str]) -> Figure:
    """Return the matrix (true class, predicted class), whose rows sum to 1, with its errors.

    Of more than `MAX_NUMBERS` classes the cells are small, and have a colour bar for their numbers.
    """
    count = len(class_names)
    longest = max(map(len, class_names))
    margin = 0.09 * longest  # of the tick labels, in inches
    width, height = (0.85, 0.8) if count <= MAX_NUMBERS else (0.18, 0.18)  # of a cell
    figure, axes = canvas(
        2.4 + width * count + margin,
        2.0 + height * count + (0.7 * margin if longest > MAX_LEVEL else 0),
    )
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    if count <= MAX_NUMBERS:
        _write_cells(axes, matrix, errors)
    else:
        figure.colorbar(image, ax=axes, shrink=0.5, label="Fraction of the true class")
        axes.tick_params(labelsize=8)
    axes.minorticks_off()
    axes.tick_params(length=0)
    slant = 0 if count <= 4 and longest <= MAX_LEVEL else 45
    axes.set_xticks(range(count), class_names, rotation=slant, ha="right" if slant else "center")
    axes.set_yticks(range(count), class_names)
    axes.set_xlabel("Predicted class", loc="center")
    axes.set_ylabel("True class", loc="center")
    return figure


def _write_cells(axes: Axes, matrix: Floats, errors: Floats) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        cell = Measurement(float(value), float(errors[row, column]))
        text = str(cell).replace(" ± ", "\n± ") if len(matrix) <= 4 else f"{value:.2f}"
        colour = "white" if value > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)


@apply_style
def plot_calibration(curves: Mapping[str, Calibration]) -> Figure:
    """Return the observed fraction of signal against the predicted probability, by network.

    With binomial errors; the diagonal is a perfect calibration.
    """
    figure, axes = canvas(6.0, 4.6 + 0.2 * len(curves))
    axes.plot([0, 1], [0, 1], "--", color="#94a4a2", lw=1.2)
    for k, (name, curve) in enumerate(curves.items()):
        axes.errorbar(
            curve.predicted, curve.observed, curve.error, fmt="o-", ms=4, lw=1.2,
            color=COLOURS[k % len(COLOURS)], label=f"{name} (ECE {curve.expected_error})",
        )  # fmt: skip
    axes.set(xlabel="Predicted probability", ylabel="Observed fraction", xlim=(0, 1), ylim=(0, 1))
    axes.tick_params(axis="x", pad=6)
    figure.legend(loc="outside upper left", fontsize=10 if len(curves) < 5 else 8)
    return figure


@apply_style
def plot_efficiency(
    curves: Mapping[str, BinnedEfficiency],
    label: str,
    title: str = "",
    log: bool = False,
    name: str = "Efficiency",
) -> Figure:
    """Return efficiencies of a fixed cut in bins of a variable, with 68 % intervals.

    The points of the models are side by side in the bins, which are logarithmic if the edges are
    over more than a factor of 20. The y axis begins at zero unless all efficiencies are above 0.5.
    On a logarithmic y axis a bin of which nothing passes has an arrow down from the upper end of
    its interval.

    curves  Name of the class or network → its binned efficiency.
    label   Axis label of the variable.
    title   The cut, e.g. `ε_S = 0.5`.
    log     Whether the y axis is logarithmic, for mistag rates.
    name    Axis label of the efficiency.
    """
    figure, axes = canvas()
    lowest = min((_lowest(curve) for curve in curves.values()), default=1e-3)
    edges = next(iter(curves.values())).edges
    log_bins = bool(edges[0] > 0 and edges[-1] > 20 * edges[0])
    for k, (model, curve) in enumerate(curves.items()):
        place = side_by_side(curve.edges, k, len(curves), log_bins)
        half = [place - curve.edges[:-1], curve.edges[1:] - place]
        half = half if len(curves) == 1 else [0 * place, 0 * place]
        errors = np.maximum([curve.value - curve.low, curve.high - curve.value], 0)
        valid = np.isfinite(curve.value) & ((curve.value > 0) | (not log))
        colour = COLOURS[k % len(COLOURS)]
        axes.errorbar(
            place[valid], curve.value[valid], errors[:, valid], np.array(half)[:, valid], fmt="o",
            ms=5, color=colour, elinewidth=1.3, label=model,
        )  # fmt: skip
        none = np.isfinite(curve.value) & (curve.value <= 0)
        if log and none.any():
            ends = curve.high[none]
            axes.errorbar(
                place[none], ends, [0.5 * ends, 0 * ends], uplims=True, fmt="_", color=colour
            )
    for edge in edges[1:-1] if len(curves) > 1 else ():
        axes.axvline(edge, color="#e4e7eb", linewidth=0.6, zorder=0)
    axes.set(xlabel=label, ylabel=name, yscale="log" if log else "linear")
    if log_bins:
        axes.set(xscale="log", xlim=(edges[0], edges[-1]))
        format_log_axis(axes.xaxis)
    if log:
        axes.set_ylim(0.5 * lowest, None)
        add_headroom(axes, 1.25)
        axes.legend(title=title or None, ncols=2, loc="upper center")
    else:
        axes.set_ylim(*_limits(curves))
        axes.legend(title=title or None, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.01))
    return figure


def _limits(curves: Mapping[str, BinnedEfficiency]) -> tuple[float, float | None]:
    """Return the ends of a linear axis of efficiencies: up to 1 if any is above 0.5."""
    low = np.nanmin([np.nanmin(curve.low, initial=1) for curve in curves.values()])
    high = np.nanmax([np.nanmax(curve.high, initial=0) for curve in curves.values()])
    bottom = float(1 - 1.15 * (1 - low)) if low > 0.5 else 0.0
    return bottom, 1 + 0.03 * (1 - bottom) if high > 0.5 else None


def _lowest(curve: BinnedEfficiency) -> float:
    """Return the lowest end of a bar or arrow on a logarithmic axis."""
    ends = np.where(curve.value > 0, np.maximum(curve.low, 0.3 * curve.value), 0.5 * curve.high)
    ends = ends[np.isfinite(ends) & (ends > 0)]
    return float(ends.min()) if len(ends) else 1e-3
