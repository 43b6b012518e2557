"""Plots of assignments: efficiency against the number of items, masses of assigned particles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, add_headroom, apply_style, canvas, grid, line_style
from bunchtrain.statistics.metrics import Measurement

#: Bins of a mass, up to this multiple of its median among the right assignments.
BINS, REACH = 50, 2.2


@apply_style
def plot_assignment_efficiency(
    measured: Mapping[str, Sequence[Measurement]],
    published: Mapping[str, Sequence[Measurement]],
    bins: Sequence[str],
    labels: tuple[str, str],
) -> Figure:
    """Return an efficiency in bins of the number of items, of each model.

    measured   model → efficiency in each bin.
    published  the same of published values, drawn as open markers.
    bins       names of the bins.
    labels     of both axes.
    """
    figure, axes = canvas()
    places = np.arange(len(bins))
    for k, (name, values) in enumerate(measured.items()):
        x = places + 0.6 * ((k + 1) / (len(measured) + 1) - 0.5)
        errors = np.nan_to_num(np.array([one.errors for one in values]).T)
        style = line_style(k)
        y = [one.value for one in values]
        axes.errorbar(x, y, errors, fmt="o", ms=5, color=style["color"], label=name)
        if name in published:
            other = [one.value for one in published[name]]
            axes.plot(x, other, "D", mfc="white", mec=style["color"], label=f"{name}, published")
    axes.set_xticks(places, bins)
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(-0.5, len(bins) - 0.5), ylim=(0, 1))
    add_headroom(axes, 1.3)
    axes.legend(loc="upper center", ncols=2, fontsize=9)
    return figure


@apply_style
def plot_assigned_masses(
    masses: Mapping[str, Mapping[str, NDArray[Any]]], weights: Mapping[str, NDArray[Any]]
) -> Figure:
    """Return stacked distributions of masses of right and wrong assignments, one panel a mass.

    masses   label of the mass → kind of assignment → masses in GeV, (particles,); the first kind is
             that of right ones.
    weights  kind of assignment → weights, (particles,).
    """
    figure, panels = grid(len(masses), 2, 4.6, 3.8)
    for axes, (label, kinds) in zip(panels, masses.items(), strict=True):
        right = next(iter(kinds.values()))
        every = np.concatenate(list(kinds.values()))
        typical = np.median(right) if len(right) else np.median(every) if len(every) else 1.0
        edges = np.linspace(0, REACH * typical, BINS + 1)
        below = np.zeros(BINS)
        for k, (kind, values) in enumerate(kinds.items()):
            above = below + np.histogram(values, edges, weights=weights[kind])[0]
            colour = COLOURS[k % len(COLOURS)]
            axes.stairs(above, edges, baseline=below, fill=True, color=colour, label=kind)
            below = above
        axes.set(xlabel=f"{label} [GeV]", ylabel="Particles", xlim=(edges[0], edges[-1]))
        add_headroom(axes, 1.25)
        axes.legend(loc="upper right", fontsize=9)
    return figure
