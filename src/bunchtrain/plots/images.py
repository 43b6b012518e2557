"""Images side by side: intensities from nothing to their largest, differences about 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import grid, styled

#: Of the largest intensity: what lies below it is white.
FAINT = 1e-4
#: Of the largest difference: what lies below it is on a linear scale.
LINEAR = 0.03


@styled
def plot_images(
    images: Mapping[str, NDArray[Any]],
    extent: tuple[float, float, float, float],
    labels: tuple[str, str] = ("Δη", "Δφ"),
    columns: int = 3,
    log: bool = True,
) -> Figure:
    """Return one panel an image; one with negative values has white at 0, red above, blue below.

    Args:
        images: Title → (row, column), the first row at the bottom.
        extent: Left, right, lower and upper end.
        labels: Of the two axes.
        columns: Panels in a row.
        log: Whether colours are logarithmic; of a signed image outside of `LINEAR` of its largest.
    """
    figure, axes = grid(len(images), columns)
    for panel, (title, image) in zip(axes, images.items(), strict=True):
        norm, colours = _colours(np.asarray(image), log)
        shown = panel.imshow(
            image, origin="lower", extent=extent, aspect="auto", norm=norm, cmap=colours
        )
        panel.minorticks_off()
        panel.set(xlabel=labels[0], ylabel=labels[1])
        panel.set_title(title, fontsize=10)
        bar = figure.colorbar(shown, ax=panel, pad=0.02)
        bar.ax.tick_params(labelsize=8)
        bar.ax.minorticks_off()
    return figure


def _colours(image: NDArray[Any], log: bool) -> tuple[Normalize, str]:
    most = max(float(np.abs(image).max(initial=0)), 1e-30)
    if image.min(initial=0) < 0:
        signed = SymLogNorm(LINEAR * most, vmin=-most, vmax=most)
        return signed if log else Normalize(-most, most), "RdBu_r"
    return LogNorm(FAINT * most, most) if log else Normalize(0, most), "viridis"
