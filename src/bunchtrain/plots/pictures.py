"""Figures as SVG, PNG or PDF, identical for identical figures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from bunchtrain.plots.style import STYLE

PICTURES = (".svg", ".pdf", ".png")  # suffixes of files of figures
MAX_SVG_BYTES = 250_000  # above it a PNG is smaller and as sharp
PAD = 3 / 72  # inches around the axes and their labels, as in the constrained layout
MAX_SVG_PANELS = 18  # above it a figure takes more bytes


def svg(figure: Figure) -> str:
    """Return a figure as the text of an SVG file, identical for identical figures."""
    with mpl.rc_context(STYLE):
        _fix_layout(figure)
        text, dpi = io.StringIO(), figure.dpi
        # `savefig` would draw twice, the first time for a layout, which is known here.
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata={"Date": None, "Creator": None})
        figure.dpi = dpi
    return text.getvalue()


def small_svg(figure: Figure) -> str | None:
    """Return a figure as SVG, or None if a PNG is smaller and as sharp."""
    if len(figure.axes) > MAX_SVG_PANELS:
        return None
    text = svg(figure)
    return text if len(text) <= MAX_SVG_BYTES else None


def picture(figure: Figure, suffix: str, dpi: int = 160) -> bytes:
    """Return a figure as a file of the type of a suffix of `PICTURES`, e.g. `.pdf`."""
    if suffix == ".png":
        return png(figure, dpi)
    if suffix == ".svg":
        return svg(figure).encode()
    with mpl.rc_context(STYLE):
        _fix_layout(figure)
        data = io.BytesIO()
        figure.savefig(data, format="pdf", metadata={"CreationDate": None})
    return data.getvalue()


def png(figure: Figure, dpi: int = 160) -> bytes:
    """Return a figure as a PNG file."""
    with mpl.rc_context(STYLE):
        _fix_layout(figure)
        data, before = io.BytesIO(), figure.dpi
        figure.dpi = dpi
        # `savefig` would draw twice, as it does for SVG.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(data, metadata={"Software": None})
        figure.dpi = before
    return data.getvalue()


def _escape_names(figure: Figure) -> None:
    """Show a text as it is if it is no valid mathematics, e.g. for a column named `a$b$c_d_e`."""
    parser = MathTextParser("path")
    for text in _texts(figure):
        if "$" in text.get_text():
            try:
                parser.parse(text.get_text())
            except ValueError:
                text.set_parse_math(False)


def _texts(artist: Artist) -> Iterator[Text]:
    """Yield the texts in an artist; of an axis its label and fixed labels, not its numbers."""
    if isinstance(artist, Axis):
        yield artist.label
        if isinstance(artist.get_major_formatter(), FixedFormatter):
            yield from artist.get_majorticklabels()
        return
    if isinstance(artist, Text):
        yield artist
    for child in artist.get_children():
        yield from _texts(child)


def _fix_layout(figure: Figure) -> None:
    """Place the axes once, so that drawing to another format does not repeat it."""
    _escape_names(figure)
    engine = figure.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine):
        return
    axes = figure.axes
    if len(axes) == 1 and axes[0].get_aspect() == "auto" and not figure.legends:
        _fit(figure, axes[0])
    else:
        engine.execute(figure)
    figure.set_layout_engine("none")


def _fit(figure: Figure, axes: Axes) -> None:
    """Place the only axes as matplotlib's constrained layout does, measured once, not twice."""
    canvas: Any = figure.canvas
    outer = axes.get_tightbbox(canvas.get_renderer(), for_layout_only=True)
    inner, pad = axes.get_window_extent(), PAD * figure.dpi
    assert outer is not None  # as the axes are visible
    left, bottom = inner.x0 - outer.x0 + pad, inner.y0 - outer.y0 + pad
    right, top = outer.x1 - inner.x1 + pad, outer.y1 - inner.y1 + pad
    width, height = figure.bbox.size
    if left + right < width and bottom + top < height:
        size = (width - left - right) / width, (height - bottom - top) / height
        axes.set_position((left / width, bottom / height, *size))
