"""Histograms of unit area as steps, areas or points with errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Density(NamedTuple):
    """A histogram of unit area.

    edges   (bins + 1,).
    values  (bins,).
    errors  (bins,), the root of the sum of squared weights.
    """

    edges: Floats
    values: Floats
    errors: Floats

    @classmethod
    def of(
        cls, values: NDArray[np.floating], weights: Floats | None, edges: Sequence[float] | Floats
    ) -> Density:
        """Return the density of values (events,) within the edges; NaN are left out.

        weights  (events,) or None for equal weights.
        """
        edges = np.asarray(edges, np.float64)
        inside = (values >= edges[0]) & (values <= edges[-1])
        places = np.searchsorted(edges, values[inside], side="right") - 1
        places = np.minimum(places, len(edges) - 2)  # the last edge belongs to the last bin
        w = None if weights is None else np.asarray(weights, np.float64)[inside]
        sums = np.bincount(places, w, len(edges) - 1).astype(np.float64)
        squares = sums if w is None else np.bincount(places, w * w, len(edges) - 1)
        area = float(np.sum(sums * np.diff(edges)))
        scale = 1 / area if area > 0 else 1.0
        return cls(edges, sums * scale, np.sqrt(squares) * scale)

    def draw_steps(self, axes: Axes, colour: str, label: str | None = None) -> None:
        """Draw the outline."""
        axes.stairs(self.values, self.edges, color=colour, label=label)

    def draw_area(self, axes: Axes, colour: str) -> None:
        """Fill the area below."""
        axes.stairs(self.values, self.edges, color=colour, fill=True, alpha=0.3)

    def draw_points(self, axes: Axes, colour: str, label: str | None = None) -> None:
        """Draw a point with its error in each bin."""
        centres = (self.edges[:-1] + self.edges[1:]) / 2
        axes.errorbar(
            centres, self.values, self.errors, fmt=".", color=colour, label=label, markersize=5
        )
