"""Accuracy against the resources of a circuit: look-up tables, bit operations, latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bunchtrain.plots.style import COLOURS, MARKERS, apply_style, format_log_axis, grid
from bunchtrain.statistics.metrics import Measurement

#: Cost → label of its axis.
AXES = {
    "lut": "Look-up tables",
    "estimate": "Look-up tables, estimated",
    "bit_operations": "Effective bit operations",
    "cycles": "Latency [clock cycles]",
}


@dataclass(frozen=True)
class Resources:
    """Accuracy and cost of a circuit; None for an unknown cost.

    name            of the network, or of the published row.
    method          its points are joined by a line in order of the cost.
    accuracy        fraction of right decisions.
    lut             look-up tables of a large FPGA after synthesis.
    estimate        look-up tables, estimated by the tracer of the circuit.
    dsp             multipliers of the FPGA.
    bit_operations  effective bit operations, EBOPs (arXiv:2405.00645).
    cycles          latency in clock cycles.
    source          paper of a published row, '' for circuits of the run.
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

    def cost(self, name: str) -> float | None:
        """Return a cost; of published circuits the synthesised tables in place of the estimate."""
        found: float | None = getattr(self, "lut" if name == "estimate" and self.source else name)
        return found


def dominated_by(point: Resources, others: Sequence[Resources]) -> list[str]:
    """Return the circuits of the run that dominate one in accuracy and look-up tables (Pareto).

    If not all circuits of the run were synthesised, the estimated tables are compared.
    """
    own = [other for other in others if not other.source]
    name = "lut" if all(other.lut is not None for other in own) else "estimate"
    size, accuracy = getattr(point, name), point.accuracy.value
    if size is None:
        return []
    costs = [(other, getattr(other, name)) for other in own if getattr(other, name) is not None]
    return [
        other.name
        for other, cost in costs
        if other.accuracy.value >= accuracy and cost <= size
        if (other.accuracy.value, cost) != (accuracy, size)
    ]


@apply_style
def plot_resources(points: Sequence[Resources]) -> Figure:
    """Return accuracy against each cost that at least two circuits of the run have.

    Published circuits have open markers, in the colour of their method.
    """
    own = [point for point in points if not point.source]
    costs = [cost for cost in AXES if sum(p.cost(cost) is not None for p in own) > 1]
    figure, panels = grid(len(costs), len(costs), 4.4, 4.2)
    methods = list(dict.fromkeys(point.method for point in points))
    for axes, cost in zip(panels, costs, strict=True):
        for k, method in enumerate(methods):
            of_method = [p for p in points if p.method == method and p.cost(cost) is not None]
            for published in (False, True):
                chosen = [p for p in of_method if bool(p.source) == published]
                _draw_method(axes, sorted(chosen, key=lambda p: p.cost(cost) or 0.0), cost, k)
        axes.set(xlabel=AXES[cost])
        if cost != "cycles":
            axes.set_xscale("log")
            format_log_axis(axes.xaxis)
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))  # labels do not overlap
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


def _draw_method(axes: Axes, points: Sequence[Resources], cost: str, index: int) -> None:
    if not points:
        return
    published = bool(points[0].source)
    axes.errorbar(
        [point.cost(cost) or 0.0 for point in points],
        [point.accuracy.value for point in points],
        np.nan_to_num([point.accuracy.error for point in points]),
        color=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        markerfacecolor="white" if published else None,
        linewidth=0 if published else 1.0,
        elinewidth=1.0,
        label=points[0].method + (", published" if published else ""),
    )
