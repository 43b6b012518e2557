"""The deviation of a probability over draws of a network, against its mean (arXiv:1904.10004)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.profile import profile
from bunchtrain.plots.style import COLOURS, canvas, headroom, styled


@styled
def plot_deviation(
    predicted: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    label: str,
    weights: NDArray[Any] | None = None,
    bins: int = 20,
) -> Figure:
    """Return the mean deviation in bins of the mean probability, a curve a network.

    A network whose deviation came from the position on the sigmoid alone, σ_l p(1 − p) for one
    deviation σ_l of the logit, would be a parabola.

    Args:
        predicted: Network → mean and deviation of the probability, (events,) each.
        label: Axis label of the mean.
        weights: (events,) or None for equal weights.
        bins: Number of bins between 0 and 1.
    """
    figure, axes = canvas()
    edges = np.linspace(0, 1, bins + 1)
    edges[-1] += 1e-6  # so that p = 1 is in the last bin
    centres = (edges[1:] + edges[:-1]) / 2
    for number, (name, (mean, sigma)) in enumerate(predicted.items()):
        w = np.ones(len(mean)) if weights is None else weights
        values, errors = profile(sigma, mean, edges, w)
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar(centres, values, errors, fmt="o-", ms=4, lw=1.2, color=colour, label=name)
    axes.set(xlabel=label, ylabel="Mean deviation", xlim=(0, 1), ylim=(0, None))
    headroom(axes, 1.45)
    axes.legend(loc="upper center", ncols=2, fontsize=9)
    return figure
