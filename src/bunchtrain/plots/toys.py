"""Plots of a test statistic of toys: its distribution with the observed value, and p-values."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bunchtrain.plots.style import apply_style, bin_edges, canvas, line_style

Values = NDArray[np.float64]


@apply_style
def plot_null(
    null: Values, observed: float, statistic: str, degrees: float | None = None
) -> Figure:
    """Return the distribution of a statistic in toys of the null, with the observed value.

    null       (toys,).
    observed   value of the statistic.
    statistic  its name.
    degrees    of freedom of the fitted χ² distribution, None without one.
    """
    from scipy import stats

    figure, axes = canvas(6.0, 4.2)
    edges = bin_edges(np.append(null, observed), max(10, min(40, len(null) // 5)))
    width = edges[1] - edges[0]
    axes.hist(null, edges, color=line_style(0)["color"], alpha=0.4, label=f"{len(null)} toys")
    if degrees is not None:
        x = np.linspace(max(edges[0], 1e-9), edges[-1], 300)
        density = len(null) * width * stats.chi2.pdf(x, degrees)
        axes.plot(x, density, label=rf"$\chi^2$, {degrees:.1f} d.o.f.", **line_style(1))
    axes.axvline(observed, label="observed", lw=1.8, **line_style(2))
    axes.set(xlabel=statistic, ylabel="Toys")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    right = observed > (edges[0] + edges[-1]) / 2
    axes.legend(loc="upper left" if right else "upper right")  # beside the observed value
    return figure


@apply_style
def plot_p_values(p_values: dict[str, Values]) -> Figure:
    """Return the cumulative distribution of p-values, the diagonal for those of the null.

    p_values  name → (toys,).
    """
    figure, axes = canvas(5.2, 4.6)
    axes.plot([0, 1], [0, 1], color="0.6", ls=":", label="uniform")
    for k, (name, values) in enumerate(p_values.items()):
        x = np.concatenate([[0.0], np.sort(values), [1.0]])
        y = np.concatenate([[0.0], np.arange(1, len(values) + 1) / len(values), [1.0]])
        axes.step(x, y, where="post", label=name, **line_style(k))
    axes.set(xlabel="p-value", ylabel="Share of toys at or below", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower right")
    return figure
