"""Fitted exponents and plots of the points that `scaling.py` measures.

    python benchmarks/scaling_fit.py POINTS.jsonl [--plots docs/images]

Time is fitted by t = t₀ + c x^α, and the peak memory against particles likewise; against rows and
classes it is no power. The fit is of logarithms by least squares, all points with the relative
spread of the repeated ones (at least 2 %), and errors are times √(χ²/ndf) if that is above 1.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import least_squares

from bunchtrain.plots.style import COLOURS, MARKERS, apply_style, format_log_axis, grid

Array = NDArray[Any]
#: Name of the plot → labels of x and time, and the steps drawn: (series, step) → label.
PLOTS: dict[str, tuple[str, str, dict[tuple[str, str], str]]] = {
    "rows": (
        "Rows",
        "CPU time [s]",
        {
            ("read_table", "cache"): "table: file → cache",
            ("read_table", "epoch"): "table: an epoch",
            ("read_clouds", "cache"): "jets: file → cache",
            ("read_clouds", "epoch"): "jets: an epoch",
            ("boosted_trees", "whole"): "boosted trees: run",
        },
    ),
    "particles": (
        "Particles a jet",
        "CPU time of a training step, per jet [s]",
        {
            ("particle_transformer", "step a jet"): "Particle Transformer",
            ("particle_net_light", "step a jet"): "ParticleNet, light",
            ("particle_flow_network", "step a jet"): "Particle Flow Network",
        },
    ),
    "classes": ("Classes", "CPU time [s]", {("classes", "whole"): "dense network: run"}),
}
#: Series whose peak memory is no power of x.
NO_POWER = ("read_table", "read_clouds", "boosted_trees", "classes")


@dataclass(frozen=True)
class Fit:
    """y = offset + factor x^exponent, with the standard error of the exponent."""

    offset: float
    factor: float
    exponent: float
    error: float

    def __call__(self, x: Array) -> Array:
        """Return y at x."""
        values: Array = self.offset + self.factor * x**self.exponent
        return values


def relative_spread(x: Array, y: Array) -> float:
    """Return the pooled relative standard deviation of repeated points, at least 2 %."""
    groups = [y[x == one] for one in np.unique(x)]
    many = [one for one in groups if len(one) > 1]
    squares = sum(((one / one.mean() - 1) ** 2).sum() for one in many)
    freedom = sum(len(one) - 1 for one in many)
    return max(0.02, float(np.sqrt(squares / freedom))) if freedom else 0.02


def fit(x: Array, y: Array) -> Fit:
    """Return the fit to points (n,) and (n,)."""
    spread = relative_spread(x, y)
    scale = x.max()

    def model(p: Array) -> Array:
        found: Array = np.exp(p[2]) + np.exp(p[0]) * (x / scale) ** p[1]
        return found

    start = [np.log(y.max()), 1.0, np.log(y.min() / 2)]
    made = least_squares(lambda p: (np.log(y) - np.log(model(p))) / spread, start)
    freedom = len(x) - len(start)
    inflation = max(1.0, 2 * made.cost / freedom) if freedom > 0 else 1.0
    covariance = np.linalg.pinv(made.jac.T @ made.jac) * inflation
    offset = float(np.exp(made.x[2]))
    factor = float(np.exp(made.x[0]) / scale ** made.x[1])
    return Fit(offset, factor, float(made.x[1]), float(np.sqrt(covariance[1, 1])))


def read(path: Path) -> dict[tuple[str, str], tuple[Array, Array]]:
    """Return (series, step or 'memory') → x and the measured values."""
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for one in map(json.loads, path.read_text().splitlines()):
        for step, value in {**one["cpu"], "memory": one["memory"]}.items():
            pairs[one["series"], step].append((one["x"], value))
    return {key: tuple(np.array(values).T) for key, values in pairs.items()}  # type: ignore[misc]


def fits(points: dict[tuple[str, str], tuple[Array, Array]]) -> dict[tuple[str, str], Fit]:
    """Return the fits of all series with more than three values of x."""
    return {
        (series, step): fit(x, y)
        for (series, step), (x, y) in points.items()
        if len(np.unique(x)) > 3 and not (step == "memory" and series in NO_POWER)
    }


@apply_style
def draw(name: str, points: dict[Any, tuple[Array, Array]], found: dict[Any, Fit]) -> Figure:
    """Return time and peak memory against x, with the fits as lines."""
    label, time, curves = PLOTS[name]
    figure, axes = grid(2, 2, 4.6, 3.8)
    drawn = set()
    for index, ((series, step), text) in enumerate(curves.items()):
        for axis, key in zip(axes, [(series, step), (series, "memory")], strict=True):
            if key not in points or key in drawn:
                continue
            drawn.add(key)
            x, y = points[key]
            look = {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": ""}
            axis.plot(x, y, markersize=5, label=text, **look)
            if key in found:
                grow = np.geomspace(x.min(), x.max(), 100)
                axis.plot(grow, found[key](grow), color=COLOURS[index], linewidth=1.2)
    for axis, text in zip(axes, (time, "Peak memory [MB]"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel=label, ylabel=text)
        format_log_axis(axis.xaxis)
        format_log_axis(axis.yaxis)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def table(points: dict[Any, tuple[Array, Array]], found: dict[Any, Fit]) -> str:
    """Return the fits as a table in Markdown."""
    lines = ["| series | what | x | smallest | largest | offset | exponent |"]
    lines.append("|---|---|---|---|---|---|---|")
    for (series, step), (x, y) in points.items():
        made = found.get((series, step))
        low, high = (float(np.median(y[x == one])) for one in (x.min(), x.max()))
        unit = "MB" if step == "memory" else "s"
        text = f"{made.offset:.2g} {unit} | {made.exponent:.2f} ± {made.error:.2f}" if made else "|"
        lines.append(
            f"| {series} | {step} | {x.min():,.0f}–{x.max():,.0f} "
            f"| {low:.3g} {unit} | {high:.3g} {unit} | {text} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", type=Path)
    parser.add_argument("--plots", type=Path, help="folder of the plots")
    given = parser.parse_args()
    points = read(given.points)
    found = fits(points)
    print(table(points, found))
    for name in PLOTS if given.plots else ():
        if any(key in points for key in PLOTS[name][2]):
            draw(name, points, found).savefig(given.plots / f"scaling_{name}.svg")


if __name__ == "__main__":
    main()
