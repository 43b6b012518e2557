"""Distribution of the network's score in each class, in test and training sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mplhep
import numpy as np
from hist import Hist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, canvas, headroom, styled


def density(values: NDArray[Any], weights: NDArray[Any] | None, edges: Any) -> Any:
    """Return a histogram of unit area, with variances."""
    filled = Hist.new.Var(edges).Weight().fill(values, weight=1.0 if weights is None else weights)
    area = float(np.sum(filled.values() * np.diff(edges)))
    return filled / area if area > 0 else filled


@styled
def plot_scores(
    scores: NDArray[Any],
    truth: NDArray[Any],
    class_names: Sequence[str],
    weights: NDArray[Any] | None = None,
    training: tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None] | None = None,
    label: str = "Network score",
    bins: int = 40,
) -> Figure:
    """Return the score's density per class: the test set filled, the training set as points.

    Args:
        scores: (events,) of the test set, between 0 and 1.
        truth: (events,) index of the true class.
        class_names: (classes,).
        weights: (events,) or None for equal weights.
        training: Scores, truth and weights of the training set, or None.
        label: Label of the x axis.
        bins: Number of bins between 0 and 1.
    """
    figure, axes = canvas()
    edges = np.linspace(0, 1, bins + 1)
    for k, name in enumerate(class_names):
        chosen = truth == k
        filled = density(scores[chosen], None if weights is None else weights[chosen], edges)
        colour = COLOURS[k % len(COLOURS)]
        mplhep.histplot(
            filled, ax=axes, histtype="fill", color=colour, alpha=0.3, yerr=False, flow=None
        )
        mplhep.histplot(filled, ax=axes, color=colour, label=name, yerr=False, flow=None)
    if training is not None:
        _points(axes, training, class_names, edges)
    axes.set(yscale="log", xlim=(0, 1), xlabel=label, ylabel="Density")
    headroom(axes, 1.25)
    axes.legend(ncols=2, loc="upper center")
    return figure


def _points(axes: Axes, training: Any, class_names: Sequence[str], edges: Any) -> None:
    scores, truth, weights = training
    for k, name in enumerate(class_names):
        chosen = truth == k
        points = density(scores[chosen], None if weights is None else weights[chosen], edges)
        mplhep.histplot(
            points,
            ax=axes,
            histtype="errorbar",
            color=COLOURS[k % len(COLOURS)],
            label=f"{name}, training",
            markersize=5,
            flow=None,
        )
