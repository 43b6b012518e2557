"""Style of the plots: ticks inside on all sides, labels at the ends of axes, Petroff's colours.

Figures are made without pyplot, so that no global state is changed and no figure stays open.
The colours are those of arXiv:2107.02270, which colour-blind readers can distinguish.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, NullFormatter
from numpy.typing import NDArray

COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#94a4a2",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
INK = "#1f2933"
MAX_LEGEND = 8  # curves for which the legend is drawn inside the axes
LINES = ("-", "--", ":")
MARKERS = "osD^vP*Xh<p"  # one more than colours, so that no two curves share both
#: Of a panel: left, right, bottom, top; and above all panels, in inches.
MARGINS = (0.72, 0.12, 0.55, 0.18, 0.35)

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 11,
    "text.color": INK,
    "axes.labelsize": 12,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.9,
    "axes.titlesize": 12,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
    "svg.fonttype": "path",
    "svg.hashsalt": "bunchtrain",
    "figure.facecolor": "white",
}

#: Last word of a column's name → its symbol on an axis. A name does not say its unit.
AXIS_LABELS = {
    "pt": "$p_T$",
    "eta": r"$\eta$",
    "phi": r"$\phi$",
    "deta": r"$\Delta\eta$",
    "dphi": r"$\Delta\phi$",
}

P = ParamSpec("P")


def apply_style(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a plotting function to draw in this style; matplotlib's settings are restored."""

    @wraps(plot)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return plot(*args, **kwargs)

    return wrapper


def canvas(width: float = 6.0, height: float = 4.8) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches and its only axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def grid(
    panels: int, columns: int, width: float = 3.6, height: float = 2.9
) -> tuple[Figure, list[Axes]]:
    """Return a figure of several panels in rows and the list of their axes."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[panels:]:
        unused.set_axis_off()
    return figure, list(axes[:panels])


def fixed_grid(
    panels: int, columns: int, width: float = 3.6, height: float = 2.9
) -> tuple[Figure, list[Axes]]:
    """Return a figure of many panels with short labels, below a line for its legend.

    The margins have fixed sizes: to fit them to the labels takes as long as the drawing. Panels
    have no minor ticks, which are half of the time of the drawing.
    """
    columns = min(columns, panels)
    rows = -(-panels // columns)
    left, right, bottom, top, head = MARGINS
    figure = Figure(figsize=(width * columns, height * rows + head))
    FigureCanvasAgg(figure)
    inner = width - left - right, height - bottom - top
    axes = []
    with mpl.rc_context({"xtick.minor.visible": False, "ytick.minor.visible": False}):
        for index in range(panels):
            row, column = divmod(index, columns)
            place = column * width + left, (rows - 1 - row) * height + bottom
            size = figure.get_size_inches()
            axes.append(figure.add_axes((*(place / size), *(inner / size))))
    return figure, axes


def line_style(index: int) -> dict[str, Any]:
    """Return colour and line style of a curve; the line style changes after all colours."""
    line = LINES[index // len(COLOURS) % len(LINES)]
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": line}


def add_legend(axes: Axes, curves: int, loc: Literal["best", "upper left", "upper right"]) -> None:
    """Draw the legend inside the axes, or on their right if there are many curves."""
    if curves <= MAX_LEGEND:
        axes.legend(loc=loc)
    else:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8.5, borderaxespad=0)


def legend_height(curves: int) -> float:
    """Return the height in inches of a figure whose legend of many curves is on its right."""
    return max(4.8, 0.18 * curves + 0.6)


def axis_label(column: str, unit: str | None = None) -> str:
    """Return the axis label of a column: its name, with the symbol of its last word, and a unit."""
    prefix, _, quantity = column.rpartition("_")
    name = f"{prefix} {AXIS_LABELS[quantity]}".strip() if quantity in AXIS_LABELS else column
    return f"{name} [{unit}]" if unit and quantity != unit else name


#: Numbers whose digits do not fit between the ticks of a logarithmic axis.
LONG = 2e7


def format_log_axis(axis: Axis) -> None:
    """Label a logarithmic axis with 1, 2, 5, 10, …, or with powers of ten only if it is long.

    Long numbers are written as powers, 10⁸.
    """
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    if high > LONG:
        axis.set_major_formatter(LogFormatterMathtext())
    else:
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.12g}".replace(",", "\u2009")))
    axis.set_minor_formatter(NullFormatter())


def side_by_side(edges: NDArray[Any], index: int, count: int, log: bool = False) -> NDArray[Any]:
    """Return the places (bins,) in bins of the points of one of several models.

    edges  (bins + 1,).
    index  of the model, from 0.
    count  of the models.
    log    whether the axis is logarithmic.
    """
    scaled = np.log(edges) if log else np.asarray(edges, np.float64)
    places = scaled[:-1] + np.diff(scaled) * ((index + 1) / (count + 1))
    return np.asarray(np.exp(places) if log else places, np.float64)


def add_headroom(axes: Axes, factor: float = 1.3) -> None:
    """Raise the upper end of the y axis, so that the legend does not cover the data."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(low, low * (high / low) ** factor)
    else:
        axes.set_ylim(low, low + (high - low) * factor)


def bin_edges(values: Any, bins: int = 50) -> Any:
    """Return edges that span the central 99.8 % of finite values, half-integers for integers."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return np.linspace(0, 1, bins + 1)
    low, high = np.quantile(finite, [0.001, 0.999])
    if np.array_equal(finite, np.round(finite)) and high - low < 100 * bins:
        width = max(int(np.ceil((high - low) / bins)), 1)
        return np.arange(np.floor(low), np.ceil(high) + 1 + width, width) - 0.5
    margin = 1e-6 * max(abs(low), abs(high), 1e-30)
    return np.linspace(low - margin, high + margin, bins + 1)
