"""The report as one HTML file that asks nothing of a network."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from bunchtrain.plots import png, svg
from bunchtrain.plots.style import FEW, LARGEST_SVG
from bunchtrain.report.content import Member, Report, Table
from bunchtrain.report.key_table import Entry, key_table
from bunchtrain.report.labels import in_key_table, label
from bunchtrain.statistics.metrics.measurement import figures


def render(report: Report) -> str:
    """Return the text of a self-contained HTML file.

    Its content security policy forbids every request, so that it looks the same offline.
    """
    entries = [Entry(m.name, m.metrics, m.published, m.remarks) for m in report.members]
    extra = [table for m in report.members if (table := _other_figures(m)) is not None]
    return _template().render(
        report=report,
        table=key_table(entries),
        style=Markup(resources.files(__package__).joinpath("report.css").read_text()),
        other_figures=extra,
        cost=_cost(report),
        folded=len(report.members) > FEW,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("bunchtrain.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"image": image, "linked": linked, "math": math, "number": number}
    return environment.get_template("report.html")


def image(figure: Figure | str) -> str:
    """Return a figure as a data URI: SVG, or PNG where that is smaller."""
    text = figure if isinstance(figure, str) else svg(figure)
    if isinstance(figure, Figure) and len(text) > LARGEST_SVG:
        return "data:image/png;base64," + base64.b64encode(png(figure)).decode()
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def linked(text: str) -> Markup:
    """Return text whose arXiv numbers and DOIs are links."""
    pattern = r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+/\d{7})|(?:doi:|https://doi\.org/)(10\.\d{4,}/[^\s,;)]*[^\s,;).])"
    out, end = Markup(""), 0
    for found in re.finditer(pattern, text):
        address = f"https://arxiv.org/abs/{found[1]}" if found[1] else f"https://doi.org/{found[2]}"
        out += escape(text[end : found.start()])
        out += Markup('<a href="{}">{}</a>').format(address, found[0])
        end = found.end()
    return out + escape(text[end:])


def math(text: object) -> Markup:
    """Return text whose indices, as in ε_S, are set below the line."""
    return Markup(re.sub(r"(ε|b)_(\w+)", r"\1<sub>\2</sub>", str(escape(text))))


def number(value: object) -> bool:
    """Return whether a cell is a number, or text that reads as one."""
    unit = r"( ?(%|s|min|h|[kMG]?B))?"
    return bool(
        re.fullmatch(r"–|[>−-]?\s?[\d\s.,]+([eE][+-]\d+)?( ?± ?[\d.,]+)?" + unit, str(value))
    )


def seconds(value: float | None) -> str:
    """Return a time as `42 s`, `3.5 min` or `1.2 h`."""
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _cost(report: Report) -> Table:
    rows = [
        (
            m.name,
            m.model,
            count(m.parameters),
            str(m.trainings),
            count(m.training_events),
            count(m.epochs),
            seconds(m.training_seconds),
            count(m.training_rate),
            count(m.rate),
            "–" if m.memory_bytes is None else f"{m.memory_bytes / 1e6:.0f} MB",
        )
        for m in report.members
    ]
    columns = (
        "Network",
        "Model",
        "Parameters",
        "Seeds",
        f"{report.kind.capitalize()}",
        "Epochs",
        "Training",
        f"{report.kind} / s, training",
        f"{report.kind} / s, inference",
        "Memory",
    )
    caption = (
        f"Cost: number of trainings; {report.kind}, epochs, time, rate and peak memory of the "
        "first one; rate of inference from columns to scores."
    )
    return Table(caption, columns, rows)


def count(value: float | None) -> str:
    """Return a whole number with thin gaps between its thousands, or a dash."""
    return "–" if value is None else f"{value:,.0f}".replace(",", " ")


def _other_figures(member: Member) -> Table | None:
    """Return the figures that are not in the key table, with cuts and what they keep."""
    rows: list[Sequence[object]] = []
    measured = figures(member.metrics)
    for name, entry in member.metrics.items():
        if not in_key_table(name):
            kept = [
                entry.get(key) for key in ("cut", "signal", "background", "efficiency", "purity")
            ]
            cells = ["" if k is None else f"{k:.4g}" for k in kept]
            rows.append([label(name), str(measured[name]), *cells])
    columns = ["Figure", "Value", "Best cut ≥", "s", "b", "ε_S", "Purity"]
    if rows and not any(any(row[2:]) for row in rows):
        columns, rows = columns[:2], [row[:2] for row in rows]
    return Table(member.name, columns, rows) if rows else None
