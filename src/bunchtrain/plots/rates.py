"""Rate of a trigger against time, with its budget, the luminosity and the signal efficiency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import apply_style, line_style


@dataclass(frozen=True)
class RateCurve:
    """One episode of a policy, block by block, (blocks,) each.

    time        at the end of the block in hours.
    rate        accepted rate in units of the budget.
    luminosity  relative.
    efficiency  of the signal.
    """

    time: NDArray[Any]
    rate: NDArray[Any]
    luminosity: NDArray[Any]
    efficiency: NDArray[Any]


@apply_style
def plot_rates(curves: Mapping[str, RateCurve], tolerance: float) -> Figure:
    """Return luminosity, rate and signal efficiency against time, a curve for each policy.

    curves     policy → its episode.
    tolerance  of the rate, relative to the budget, drawn as a band.
    """
    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1, 2, 1.4])
    first = next(iter(curves.values()))
    top.plot(first.time, first.luminosity, color="#717581")
    top.set_ylabel("Luminosity")
    top.set_ylim(bottom=0)
    middle.axhspan(1 - tolerance, 1 + tolerance, color="#94a4a2", alpha=0.25, linewidth=0)
    for index, (name, curve) in enumerate(curves.items()):
        style = line_style(index) | {"linewidth": 1.3}
        middle.plot(curve.time, curve.rate, label=name.replace("_", " "), **style)
        bottom.plot(curve.time, curve.efficiency, **style)
    middle.set_ylabel("Rate / budget")
    low, high = middle.get_ylim()
    middle.set_ylim(low, high + 0.35 * (high - low))
    middle.legend(loc="upper center", ncols=3)
    bottom.set_ylabel("Signal efficiency")
    bottom.set_xlabel("Time [h]")
    return figure
