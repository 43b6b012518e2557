"""Accuracy against what a circuit costs: look-up tables, bit operations, latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from bunchtrain.evaluation.metrics import Figure
from bunchtrain.evaluation.plots.style import COLOURS, grid, plain_numbers, styled

MARKERS = "osD^vP*Xh<"
AXES = {
    "lut": "Look-up tables",
    "bit_operations": "Effective bit operations",
    "cycles": "Latency [clock cycles]",
}


@dataclass(frozen=True)
class Resources:
    """A circuit's accuracy and cost; None for a cost that is not known.

    name            of the network, or of the published row.
    method          what is joined by a line, in order of the cost.
    accuracy        fraction of right decisions.
    lut             look-up tables of a large FPGA.
    dsp             multipliers of it.
    bit_operations  the estimate EBOPs (arXiv:2405.00645).
    cycles          latency in clock cycles.
    source          paper of a published row, '' for our own.
    """

    name: str
    method: str
    accuracy: Figure
    lut: float | None = None
    dsp: float | None = None
    bit_operations: float | None = None
    cycles: float | None = None
    source: str = ""


def beaten_by(one: Resources, others: Sequence[Resources]) -> list[str]:
    """Return those of our own that are at least as accurate with at most as many look-up tables."""
    if one.lut is None:
        return []
    return [
        other.name
        for other in others
        if other is not one and not other.source and other.lut is not None
        if other.accuracy.value >= one.accuracy.value and other.lut <= one.lut
        if (other.accuracy.value, other.lut) != (one.accuracy.value, one.lut)
    ]


@styled
def plot_resource_front(points: Sequence[Resources]) -> Canvas:
    """Return accuracy against each cost that is known of two circuits at least.

    Published circuits have open markers, of the colour of the method that they are beside.
    """
    known = [cost for cost in AXES if sum(getattr(p, cost) is not None for p in points) > 1]
    figure, panels = grid(len(known), len(known), 4.4, 4.2)
    methods = list(dict.fromkeys(point.method for point in points))
    for axes, cost in zip(panels, known, strict=True):
        for number, method in enumerate(methods):
            of_method = [p for p in points if p.method == method and getattr(p, cost) is not None]
            for published in (False, True):
                own = [p for p in of_method if bool(p.source) == published]
                _draw(axes, sorted(own, key=lambda p: float(getattr(p, cost))), cost, number)
        axes.set(xlabel=AXES[cost])
        if cost != "cycles":
            axes.set_xscale("log")
            plain_numbers(axes.xaxis)
        axes.grid(which="major", color="#e4e7eb", linewidth=0.6)
    ends = np.array([axes.get_ylim() for axes in panels])
    for axes in panels:
        axes.set_ylim(ends[:, 0].min(), ends[:, 1].max())
    panels[0].set_ylabel("Accuracy")
    handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
    figure.legend(
        handles.values(), [str(name) for name in handles], loc="outside lower center", ncols=5
    )
    return figure


def _draw(axes: Axes, points: Sequence[Resources], cost: str, number: int) -> None:
    if not points:
        return
    published = bool(points[0].source)
    axes.errorbar(
        [getattr(point, cost) for point in points],
        [point.accuracy.value for point in points],
        np.nan_to_num([point.accuracy.error for point in points]),
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markerfacecolor="white" if published else None,
        linewidth=0 if published else 1.0,
        elinewidth=1.0,
        label=points[0].method + (", published" if published else ""),
    )
