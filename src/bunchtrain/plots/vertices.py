"""Plots of vertices along the beam: one event, and the distances of pairs of vertices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import INK, add_headroom, apply_style, canvas, grid, line_style
from bunchtrain.statistics.vertex_matching import BINS, REACH, dip, fit_dip

Floats = NDArray[np.float64]
#: Parts of the beam that an event is drawn in, and bins of the density of its tracks in each.
PARTS, FINE = 3, 300


@apply_style
def plot_pairs(pairs: Mapping[str, Floats], edges: Floats) -> Figure:
    """Return the distances of pairs of vertices with the fitted dip, relative to its level.

    pairs  finder → numbers of pairs (bins,).
    edges  of |Δz| in mm, (bins + 1,).
    """
    figure, axes = canvas()
    fine = np.linspace(0, REACH, 10 * BINS)
    for k, (name, values) in enumerate(pairs.items()):
        height, half, slope = fit_dip(values, edges)
        style = line_style(k)
        axes.stairs(values / height, edges, color=style["color"], lw=0.8, alpha=0.5)
        curve = dip(fine, height, half, slope) / height
        axes.plot(fine, curve, **style, label=f"{name}, {half:.2f} mm")
    axes.set(xlabel="Distance of two vertices [mm]", ylabel="Pairs / level", xlim=(0, REACH))
    axes.set_ylim(bottom=0)
    add_headroom(axes, 1.35)
    axes.legend(loc="upper right")
    return figure


@apply_style
def plot_vertices(
    true: Floats, counts: NDArray[np.bool_], found: Mapping[str, Floats], tracks: Floats
) -> Figure:
    """Return collisions, vertices and tracks of an event along the beam, in `PARTS` parts.

    true    (collisions,) z in mm.
    counts  (collisions,) whether a collision has enough tracks to be found.
    found   finder → z of its vertices in mm.
    tracks  (tracks,) z at the beam in mm.
    """
    low, high = (true.min(), true.max()) if len(true) else (0.0, 0.0)
    edges = np.linspace(low - 5, high + 5, PARTS + 1)
    figure, panels = grid(PARTS, 1, 11, 2.1)
    rows = ["true", *found]
    for axes, low, high in zip(panels, edges, edges[1:], strict=False):
        axes.hist(tracks, list(np.linspace(low, high, FINE)), color="0.75", bottom=0)
        top = max(axes.get_ylim()[1], 1.0)
        for z, style in ((true[counts], "-"), (true[~counts], ":")):
            axes.vlines(z, 0, 2 * top, color=INK, lw=0.7, ls=style, alpha=0.5)
        height = top * np.linspace(1.15, 1.85, len(rows))
        axes.plot(true[counts], np.full(counts.sum(), height[0]), "|", color=INK, ms=9)
        for k, (z, y) in enumerate(zip(found.values(), height[1:], strict=True)):
            axes.plot(z, np.full(len(z), y), "o", ms=3.5, color=line_style(k)["color"])
        axes.set(xlim=(low, high), ylim=(0, 2 * top))
        right = axes.secondary_yaxis("right")
        right.set_yticks(height, rows, fontsize=8)
        right.tick_params(axis="y", which="both", length=0)
        axes.set_ylabel("Tracks")
    panels[-1].set_xlabel("z [mm]")
    return figure
