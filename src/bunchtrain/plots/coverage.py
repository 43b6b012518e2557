"""Observed against promised coverage of the intervals of regressed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, FEW, canvas, styled
from bunchtrain.statistics.metrics import coverage, gaussian_interval

#: Predictions, their σ and the truth, (events,) each.
Predicted = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@styled
def plot_coverage(
    predicted: Mapping[str, Predicted], weights: NDArray[Any] | None = None
) -> Figure:
    """Return observed − promised coverage of Gaussian intervals, a curve a network.

    Args:
        predicted: Network → prediction, σ and truth, (events,) each.
        weights: (events,) or None for equal weights.
    """
    figure, axes = canvas()
    levels = np.linspace(0.05, 0.95, 19)
    axes.axhline(0, ls="--", color="#94a4a2", lw=1.2)
    for k, (name, (value, sigma, truth)) in enumerate(list(predicted.items())[:FEW]):
        found = [
            coverage(truth, *gaussian_interval(value, sigma, level), weights) for level in levels
        ]
        gaps = [100 * (f.value - level) for f, level in zip(found, levels, strict=True)]
        axes.errorbar(
            100 * levels, gaps, [100 * f.error for f in found], fmt="o-", ms=4, lw=1.2,
            color=COLOURS[k], label=name,
        )  # fmt: skip
    axes.set(xlabel="Promised coverage [%]", ylabel="Observed − promised [%]", xlim=(0, 100))
    axes.margins(y=0.25)
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return figure
