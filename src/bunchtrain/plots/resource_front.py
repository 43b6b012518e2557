"""Accuracy against what a circuit costs: look-up tables, bit operations, latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bunchtrain.plots.style import COLOURS, grid, plain_numbers, styled
from bunchtrain.statistics.metrics import Measurement

MARKERS = "osD^vP*Xh<"
AXES = {
    "lut": "Look-up tables",
    "estimate": "Look-up tables, estimated",
    "bit_operations": "Effective bit operations",
    "cycles": "Latency [clock cycles]",
}


@dataclass(frozen=True)
class Resources:
    """A circuit's accuracy and cost; None for a cost that is not known.

    name            of the network, or of the published row.
    method          what is joined by a line, in order of the cost.
    accuracy        fraction of right decisions.
    lut             look-up tables of a large FPGA after synthesis.
    estimate        look-up tables as the tracer of the circuit expects them.
    dsp             multipliers of it.
    bit_operations  the estimate EBOPs (arXiv:2405.00645).
    cycles          latency in clock cycles.
    source          paper of a published row, '' for our own.
    """

    name: str
    method: str
    accuracy: Measurement
    lut: float | None = None
    estimate: float | None = None
    dsp: float | None = None
    bit_operations: float | None = None
    cycles: float | None = None
    source: str = ""


def beaten_by(one: Resources, others: Sequence[Resources]) -> list[str]:
    """Return those of our own that are at least as accurate with at most as many look-up tables.

    They are the estimated ones where not all of our own were synthesised.
    """
    own = [other for other in others if not other.source]
    cost = "lut" if all(other.lut is not None for other in own) else "estimate"
    size, right = getattr(one, cost), one.accuracy.value
    if size is None:
        return []
    found = [(other, getattr(other, cost)) for other in own if getattr(other, cost) is not None]
    return [
        other.name
        for other, taken in found
        if other.accuracy.value >= right and taken <= size
        if (other.accuracy.value, taken) != (right, size)
    ]


@styled
def plot_resource_front(points: Sequence[Resources]) -> Figure:
    """Return accuracy against each cost that is known of two circuits at least.

    Published circuits have open markers, of the colour of the method that they are beside.
    """
    own = [point for point in points if not point.source]
    known = [cost for cost in AXES if sum(_taken(p, cost) is not None for p in own) > 1]
    figure, panels = grid(len(known), len(known), 4.4, 4.2)
    methods = list(dict.fromkeys(point.method for point in points))
    for axes, cost in zip(panels, known, strict=True):
        for number, method in enumerate(methods):
            of_method = [p for p in points if p.method == method and _taken(p, cost) is not None]
            for published in (False, True):
                shown = [p for p in of_method if bool(p.source) == published]
                _draw(axes, sorted(shown, key=lambda p: _taken(p, cost) or 0.0), cost, number)
        axes.set(xlabel=AXES[cost])
        if cost != "cycles":
            axes.set_xscale("log")
            plain_numbers(axes.xaxis)
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))  # long numbers lie apart
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


def _taken(point: Resources, cost: str) -> float | None:
    """Return what a circuit takes; of published ones the counted tables beside estimated ones."""
    taken: float | None = getattr(point, "lut" if cost == "estimate" and point.source else cost)
    return taken


def _draw(axes: Axes, points: Sequence[Resources], cost: str, number: int) -> None:
    if not points:
        return
    published = bool(points[0].source)
    axes.errorbar(
        [_taken(point, cost) or 0.0 for point in points],
        [point.accuracy.value for point in points],
        np.nan_to_num([point.accuracy.error for point in points]),
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markerfacecolor="white" if published else None,
        linewidth=0 if published else 1.0,
        elinewidth=1.0,
        label=points[0].method + (", published" if published else ""),
    )
