"""AUC at each value of a parameter, as of the mass of a resonance (arXiv:1601.07913)."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure as Canvas

from bunchtrain.evaluation.metrics import Figure
from bunchtrain.evaluation.plots.style import COLOURS, LINES, canvas, headroom, styled


@styled
def plot_parameter(figures: Mapping[str, Mapping[float, Figure]], label: str) -> Canvas:
    """Return the AUC of networks against the parameter, with errors.

    Args:
        figures: Network → value of the parameter → AUC.
        label: Axis label of the parameter with its unit.
    """
    figure, axes = canvas(7.2)
    for number, (name, points) in enumerate(figures.items()):
        values = sorted(points)
        axes.errorbar(
            values, [points[v].value for v in values], [points[v].error for v in values],
            ls=LINES[number // len(COLOURS) % len(LINES)], marker="o", ms=4.5, elinewidth=1.2,
            color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set(xlabel=label, ylabel="AUC")
    headroom(axes, 1.3)
    axes.legend(ncols=2, fontsize=9, loc="upper left")
    return figure
