"""What independence of a column costs: background rejection against 1/JSD, every method a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bunchtrain.plots.style import COLOURS, INK, canvas, headroom, plain_numbers, styled
from bunchtrain.statistics.metrics import Measurement

MARKERS = "osD^vP*Xh<p"  # one more than colours, so that no two methods share both


@dataclass(frozen=True)
class Decorrelated:
    """A score at one working point: how independent it is of the column, and what it rejects.

    method     what curves are made of; the scores of one method are joined in order of strength.
    strength   of the method, as λ; None where it has none.
    inverse    1/JSD of the background that passes and fails.
    rejection  1/ε_B.
    """

    method: str
    strength: float | None
    inverse: Measurement
    rejection: Measurement


@styled
def plot_decorrelation(
    scores: Sequence[Decorrelated], efficiency: float, column: str, chance: float | None = None
) -> Figure:
    """Return 1/ε_B against 1/JSD at a signal efficiency, with errors (ATL-PHYS-PUB-2018-014).

    Args:
        scores: Of all methods and strengths.
        efficiency: Signal efficiency of the cuts.
        column: Name of the column with its unit, for the axis.
        chance: 1/JSD that scores without any dependence reach on average with these events;
            nothing beyond can be told apart.
    """
    figure, axes = canvas(7.0, 5.2)
    methods = list(dict.fromkeys(score.method for score in scores))
    for number, method in enumerate(methods):
        own = [score for score in scores if score.method == method]
        _draw(axes, sorted(own, key=lambda s: s.strength or 0.0), number)
    axes.set(xscale="log", yscale="log")
    if chance is not None:
        axes.axvline(
            chance, color=INK, linestyle=":", linewidth=1.2, label="independent, by chance"
        )
    percent = f"{100 * efficiency:g}"
    axes.set_xlabel(rf"Independence of {column}, 1/JSD$_{{{percent}}}$")
    axes.set_ylabel(rf"Background rejection $1/\varepsilon_B$ at $\varepsilon_S$ = {percent} %")
    axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    headroom(axes, 1.15 + 0.08 * math.ceil((len(methods) + 1) / 3))
    axes.legend(ncols=3, loc="upper center", fontsize=9)
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    return figure


def _draw(axes: Axes, scores: Sequence[Decorrelated], number: int) -> None:
    inverse, rejection = (
        np.array([[getattr(s, name).value, getattr(s, name).error] for s in scores]).T
        for name in ("inverse", "rejection")
    )
    axes.errorbar(
        inverse[0],
        rejection[0],
        xerr=_below(*inverse),
        yerr=_below(*rejection),
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        linewidth=1.0,
        elinewidth=1.0,
        label=scores[0].method,
    )


def _below(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return errors (2, scores) that end above zero, as a logarithmic axis needs."""
    error = np.nan_to_num(error)
    return np.stack([np.minimum(error, 0.9 * value), error])
