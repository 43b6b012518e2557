"""What the dimensions of a vector respond to: their correlation with known observables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import grid, styled


@styled
def plot_responses(matrices: Mapping[str, NDArray[Any]], observables: Sequence[str]) -> Figure:
    """Return one panel a vector, with the correlation in percent in each cell.

    Args:
        matrices: Title → correlations (observable, dimension), from −1 to 1.
        observables: Names of the rows.
    """
    dimensions = next(iter(matrices.values())).shape[1]
    size = 1.6 + 0.34 * dimensions, 1.0 + 0.32 * len(observables)
    figure, panels = grid(len(matrices), 2, *size)
    for panel, (title, matrix) in zip(panels, matrices.items(), strict=True):
        panel.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.6 else "#1f2933"
            text = f"{100 * value:.0f}"
            panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=7.5)
        panel.minorticks_off()
        panel.tick_params(length=0)
        panel.set_xticks(range(dimensions))
        panel.set_yticks(range(len(observables)), observables)
        panel.set_xlabel("Dimension")
        panel.set_title(f"{title}: rank correlation [%]", fontsize=10)
    return figure
