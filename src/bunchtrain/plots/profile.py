"""The profile of a score against a column: flat where the score does not depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, canvas, headroom, styled
from bunchtrain.statistics.metrics.efficiency import ones_or


@styled
def plot_profile(
    scores: Mapping[str, NDArray[Any]],
    values: NDArray[Any],
    edges: NDArray[Any],
    label: str,
    weights: NDArray[Any] | None = None,
) -> Figure:
    """Return the mean score or rank in bins of a column with its error, a curve a network.

    Args:
        scores: Network → (events,), of one class of events.
        values: (events,) of the column.
        edges: (bins + 1,) in the unit of the column.
        label: Axis label of the column with its unit.
        weights: (events,) or None for equal weights.
    """
    w = ones_or(weights, len(values))
    figure, axes = canvas()
    centres, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    for number, (name, score) in enumerate(scores.items()):
        mean, error = profile(score, values, edges, w)
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar(centres, mean, error, halves, fmt="o", ms=4, color=colour, label=name)
    axes.set(xlabel=label, ylabel="Mean rank of background", ylim=(0, None))
    headroom(axes, 1.35)
    axes.legend(ncols=2, loc="upper center", fontsize=9)
    return figure


def profile(
    scores: NDArray[Any], values: NDArray[Any], edges: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the weighted mean of the scores in each bin and its error, (bins,) each.

    σ² = Σ w² (s − mean)² / (Σ w)²; NaN in bins with fewer than two events.
    """
    chosen = (values >= edges[0]) & (values < edges[-1])
    place = np.searchsorted(edges, values[chosen], side="right") - 1
    s, w, bins = scores[chosen], weights[chosen], len(edges) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.bincount(place, w, bins)
        mean = np.bincount(place, w * s, bins) / total
        error = np.sqrt(np.bincount(place, w**2 * (s - mean[place]) ** 2, bins)) / total
    few = np.bincount(place, minlength=bins) < 2
    return np.where(few, np.nan, mean), np.where(few, np.nan, error)
