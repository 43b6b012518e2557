"""The ROC as the field draws it: background rejection against signal efficiency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from bunchtrain.evaluation.metrics import Figure, Roc, auc
from bunchtrain.evaluation.plots.style import COLOURS, canvas, styled


@dataclass(frozen=True)
class PublishedPoint:
    """A published background rejection at a signal efficiency, and whose it is."""

    name: str
    efficiency: float
    rejection: Figure


@styled
def plot_roc(
    curves: Mapping[str, Roc],
    published: Sequence[PublishedPoint] = (),
    signal: str = "signal",
    background: str = "background",
) -> Canvas:
    """Return 1/ε_B against ε_S with bands of one standard deviation, one curve a network.

    Args:
        curves: Name of the network → its ROC. Published points of the same name share its colour.
        published: Published figures, drawn as open markers.
        signal: Name of the signal class.
        background: Name of the background.
    """
    figure, axes = canvas()
    colours = dict(zip(curves, COLOURS * (1 + len(curves) // len(COLOURS)), strict=False))
    for name, curve in curves.items():
        _draw(axes, curve, f"{name} (AUC {auc(curve)})", colours[name])
    for point in published:
        _mark(axes, point, colours.get(point.name, "#1f2933"))
    if published:
        axes.errorbar([], [], marker="D", mfc="white", mec="#1f2933", ls="", label="published")
    axes.set(yscale="log", xlim=(0, 1), ylim=(1, axes.get_ylim()[1]))
    axes.set_xlabel(rf"Signal efficiency $\varepsilon_S$ ({signal})")
    axes.set_ylabel(rf"Background rejection $1/\varepsilon_B$ ({background})")
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    axes.legend(loc="upper right" if len(curves) < 8 else "best")
    return figure


def _draw(axes: Axes, curve: Roc, label: str, colour: str) -> None:
    efficiency = np.linspace(0.01, 1, 300)
    mistag, error = curve.background_at(efficiency)
    seen = mistag * curve.background_count >= 2  # below, the error is as large as the value
    x, b, e = efficiency[seen], mistag[seen], error[seen]
    axes.plot(x, 1 / b, color=colour, label=label)
    axes.fill_between(x, 1 / (b + e), 1 / np.maximum(b - e, b / 10), color=colour, alpha=0.22, lw=0)


def _mark(axes: Axes, point: PublishedPoint, colour: str) -> None:
    error = np.nan_to_num(point.rejection.error)
    axes.errorbar(
        point.efficiency,
        point.rejection.value,
        yerr=error,
        marker="D",
        ms=6,
        mfc="white",
        mec=colour,
        ecolor=colour,
        zorder=5,
    )
