"""Plot of a metric against a value that is varied, such as the p-value against the mass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from bunchtrain.plots.style import INK, MARKERS, add_legend, apply_style, canvas, line_style
from bunchtrain.statistics.metrics import Measurement

#: Significances of the lines beside p-values, at most.
_SIGMAS = range(1, 38)


@apply_style
def plot_scan(
    values: Sequence[float],
    curves: Mapping[str, Sequence[Measurement]],
    against: str,
    metric: str,
    *,
    are_p_values: bool = False,
) -> Figure:
    """Return a metric of several models against a value that is varied.

    values        (values,), increasing.
    curves        model → its metric at each value, (values,); NaN where it has none.
    against       axis label of the value with its unit.
    metric        axis label of the metric.
    are_p_values  whether the axis is logarithmic, with lines at p = 1 − Φ(Z) for Z = 1, 2, …
    """
    from scipy import stats

    figure, axes = canvas(7.2, 4.6)
    smallest = 0.05
    for k, (name, points) in enumerate(curves.items()):
        found = np.array([one.value for one in points], np.float64)
        errors = np.nan_to_num([one.error for one in points])
        bars = errors if errors.any() and not are_p_values else None
        axes.errorbar(
            values, found, bars, marker=MARKERS[k % len(MARKERS)], ms=5, lw=1.2, elinewidth=1.0,
            label=name, **line_style(k),
        )  # fmt: skip
        if are_p_values and np.isfinite(found).any():
            smallest = min(smallest, float(np.nanmin(found)))
    if are_p_values:
        axes.set_yscale("log")
        axes.set_ylim(max(smallest, 1e-300) ** 1.25, 4)
        lines = [(z, float(stats.norm.sf(z))) for z in _SIGMAS]
        shown = [one for one in lines if one[1] > axes.get_ylim()[0]]
        for z, p in shown[:: 1 + len(shown) // 8]:
            axes.axhline(p, color="0.6", ls=":", lw=1)
            axes.annotate(
                rf"{z}$\sigma$", (1.01, p), xycoords=("axes fraction", "data"), va="center",
                color=INK, fontsize=9,
            )  # fmt: skip
    else:
        axes.axhline(0, color="0.6", ls=":", lw=1)
    axes.set(xlabel=against, ylabel=metric)
    add_legend(axes, len(curves), "best")
    return figure
