"""The ROC as the field draws it: background rejection against signal efficiency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bunchtrain.plots.style import (
    FEW,
    INK,
    canvas,
    legend,
    legend_height,
    look,
    styled,
)
from bunchtrain.statistics.metrics import Measurement, Roc, auc


@dataclass(frozen=True)
class PublishedPoint:
    """A published background rejection at a signal efficiency, and whose it is."""

    name: str
    efficiency: float
    rejection: Measurement


@styled
def plot_roc(
    curves: Mapping[str, Roc],
    published: Sequence[PublishedPoint] = (),
    signal: str = "signal",
    background: str = "background",
) -> Figure:
    """Return 1/ε_B against ε_S with bands of one standard deviation, one curve a network.

    Of many networks the bands and the published points would hide the curves: they are left out.

    Args:
        curves: Name of the network → its ROC. Published points of the same name share its colour.
        published: Published figures, drawn as open markers.
        signal: Name of the signal class.
        background: Name of the background.
    """
    crowded = len(curves) > FEW
    figure, axes = canvas(8.4, legend_height(len(curves))) if crowded else canvas()
    looks = {name: look(k) for k, name in enumerate(curves)}
    for name, curve in curves.items():
        _draw(axes, curve, f"{name} (AUC {auc(curve)})", looks[name], band=not crowded)
    for point in () if crowded else published:
        _mark(axes, point, looks.get(point.name, {"color": INK})["color"])
    if published and not crowded:
        axes.errorbar([], [], marker="D", mfc="white", mec=INK, ls="", label="published")
    axes.set(yscale="log", xlim=(0, 1), ylim=(1, axes.get_ylim()[1]))
    axes.set_xlabel(rf"Signal efficiency $\varepsilon_S$ ({signal})")
    axes.set_ylabel(rf"Background rejection $1/\varepsilon_B$ ({background})")
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    legend(axes, len(curves), "upper right")
    return figure


def _draw(axes: Axes, curve: Roc, label: str, line: dict[str, Any], band: bool) -> None:
    efficiency = np.linspace(0.01, 1, 300)
    mistag, error = curve.background_at(efficiency)
    seen = mistag * curve.background_count >= 2  # below, the error is as large as the value
    x, b, e = efficiency[seen], mistag[seen], error[seen]
    axes.plot(x, 1 / b, label=label, lw=1.8 if band else 1.3, **line)
    if band:
        low, high = 1 / (b + e), 1 / np.maximum(b - e, b / 10)
        axes.fill_between(x, low, high, color=line["color"], alpha=0.22, lw=0)


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
