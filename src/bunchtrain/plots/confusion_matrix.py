"""The confusion matrix as shaded squares with their fractions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bunchtrain.plots.style import canvas, styled
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics.efficiency import Floats


@styled
def plot_confusion(matrix: Floats, errors: Floats, class_names: Sequence[str]) -> Figure:
    """Return the matrix (true class, decided class), whose rows sum to 1, with its errors."""
    count = len(class_names)
    figure, axes = canvas(2.6 + 0.85 * count, 2.0 + 0.8 * count)
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(matrix):
        text = (
            str(Measurement(float(value), float(errors[row, column])))
            if count <= 4
            else f"{value:.2f}"
        )
        axes.text(
            column,
            row,
            text.replace(" ± ", "\n± "),
            ha="center",
            va="center",
            color="white" if value > 0.55 else "#1f2933",
            fontsize=10,
        )
    axes.minorticks_off()
    axes.tick_params(length=0)
    slant = 0 if count <= 4 else 45
    axes.set_xticks(range(count), class_names, rotation=slant, ha="right" if slant else "center")
    axes.set_yticks(range(count), class_names)
    axes.set(xlabel="Decided class", ylabel="True class")
    return figure
