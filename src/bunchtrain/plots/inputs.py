"""Distribution of each input in each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mplhep
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.scores import density
from bunchtrain.plots.style import COLOURS, bin_edges, grid, styled


@styled
def plot_inputs(
    inputs: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    class_names: Sequence[str],
    weights: NDArray[Any] | None = None,
    columns: int = 3,
) -> Figure:
    """Return one small panel for each input.

    Args:
        inputs: Axis label, with its unit, → values (events,); NaN are left out.
        truth: (events,) index of the true class.
        class_names: (classes,).
        weights: (events,) or None for equal weights.
        columns: Panels in a row.
    """
    figure, panels = grid(len(inputs), columns)
    for axes, (label, values) in zip(panels, inputs.items(), strict=True):
        edges = bin_edges(values)
        for k in range(len(class_names)):
            chosen = (truth == k) & np.isfinite(values)
            w = None if weights is None else weights[chosen]
            mplhep.histplot(
                density(values[chosen], w, edges),
                ax=axes,
                color=COLOURS[k % len(COLOURS)],
                yerr=False,
                flow=None,
            )
        axes.set(xlabel=label, ylabel="Density", xlim=(edges[0], edges[-1]))
        axes.set_ylim(bottom=0)
    handles = list(panels[0].patches)[: len(class_names)]
    figure.legend(handles, class_names, loc="outside upper left", ncols=len(class_names))
    return figure
