"""Results of a hyperparameter search: a table, and a parallel-coordinates plot of the trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bunchtrain.errors import RunError
from bunchtrain.files import atomic_path, write_csv
from bunchtrain.training.tuning import Search

Rows = Sequence[dict[str, Any]]


def show(rows: Rows, search: Search, console: Console | None = None) -> Path:
    """Print the table, write `trials.csv` and `trials.png` and return the plot's path.

    Raises RunError if no trial has been completed.
    """
    complete = [row for row in rows if row["state"] == "complete"]
    if not complete:
        raise RunError(f"no trial in {search.folder} was completed; check its runs for errors")
    (console or Console(markup=False)).print(table(rows, search))
    folder = Path(search.folder)
    write_csv(folder / "trials.csv", rows)
    figure = parallel_coordinates(complete, search)
    with atomic_path(folder / "trials.png") as part:
        figure.savefig(part, format="png", dpi=150)
    return folder / "trials.png"


def table(rows: Rows, search: Search) -> Table:
    """Return the trials as a table, the best first."""
    drawn = Table(title=f"{len(rows)} trials, best {search.metric} first")
    for name in rows[0]:
        drawn.add_column(name, justify="left" if name == "state" else "right")
    for row in rows:
        drawn.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    return drawn


def parallel_coordinates(rows: Rows, search: Search) -> Figure:
    """Return a plot of one line per trial, one axis per key and metric, coloured by the metric."""
    names = [*search.space, search.metric]
    heights, labels = zip(*(_axis(rows, search, name) for name in names), strict=True)
    metric = np.array([row[search.metric] for row in rows], float)
    norm = mpl.colors.Normalize(metric.min(), metric.max())
    colour = mpl.colormaps["viridis"]
    figure = Figure(figsize=(2.2 * len(names) + 1, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for trial in metric.argsort():  # the largest on top
        line = [height[trial] for height in heights]
        axes.plot(range(len(names)), line, color=colour(norm(metric[trial])), lw=1.5, alpha=0.8)
    for position, ticks in enumerate(labels):
        axes.axvline(position, color="0.6", lw=0.8, zorder=0)
        for height, text in ticks:
            axes.annotate(
                text, (position, height), (4, 0),
                textcoords="offset points", fontsize=8, va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
            )  # fmt: skip
    axes.set(xticks=range(len(names)), xticklabels=names, yticks=[], xlim=(-0.1, len(names) - 0.7))
    axes.spines[:].set_visible(False)
    figure.colorbar(mpl.cm.ScalarMappable(norm, colour), ax=axes, label=search.metric, pad=0.02)
    return figure


def _axis(
    rows: Rows, search: Search, name: str
) -> tuple[NDArray[np.float64], list[tuple[float, str]]]:
    """Return the positions of the trials on one axis in [0, 1], and its ticks."""
    values, space = [row[name] for row in rows], search.space.get(name, {})
    if "choices" in space:
        choices = list(map(str, space["choices"]))
        ticks = np.linspace(0, 1, len(choices)) if len(choices) > 1 else np.array([0.5])
        heights = np.array([ticks[choices.index(str(value))] for value in values])
        return heights, list(zip(ticks.tolist(), choices, strict=True))
    low, high = space.get("low", min(values)), space.get("high", max(values))
    scale = np.log if space.get("log") else np.asarray
    span = float(scale(high) - scale(low)) or 1.0
    heights = np.asarray((scale(values) - scale(low)) / span, float)
    middle = (low * high) ** 0.5 if space.get("log") else (low + high) / 2
    return heights, [(0.0, f"{low:.3g}"), (0.5, f"{middle:.3g}"), (1.0, f"{high:.3g}")]
