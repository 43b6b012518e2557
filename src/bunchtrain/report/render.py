"""The report as one self-contained HTML file without external resources."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jinja2 import Template
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from bunchtrain.displays.content import Display
from bunchtrain.displays.page import fragment, script, script_hash, style
from bunchtrain.page_templates import page_templates
from bunchtrain.plots import png, small_svg
from bunchtrain.plots.style import MAX_LEGEND
from bunchtrain.report.content import ModelSummary, Report, Table
from bunchtrain.report.key_table import Entry, key_table
from bunchtrain.report.labels import in_key_table, is_number, label
from bunchtrain.report.results import PNG
from bunchtrain.report.stage_graph import stage_graph
from bunchtrain.statistics.metrics import measurements


def render(report: Report) -> str:
    """Return the text of a self-contained HTML file.

    Its content security policy forbids every request, so that it looks the same offline.
    """
    entries = [Entry(m.name, m.metrics, m.published, m.remarks) for m in report.models]
    entries += [Entry(name, found) for name, found in report.stage_metrics.items()]
    return _template().render(
        report=report,
        table=key_table(entries),
        style=Markup(resources.files(__package__).joinpath("report.css").read_text()),
        other_metrics=[table for m in report.models if (table := _other_metrics(m)) is not None],
        cost=_cost_table(report),
        folded=len(report.models) > MAX_LEGEND,
        graph=stage_graph(report.stages),
        stage_table=_stage_table(report),
        **_event_display(report.display),
    )


def _event_display(display: Display | None) -> dict[str, Markup]:
    """Return a display, its style and script, and what the policy allows of scripts."""
    if display is None:
        return dict.fromkeys(("display", "display_style", "script", "script_policy"), Markup(""))
    return {
        "display": Markup(fragment(display)),
        "display_style": Markup(style()),
        "script": Markup(f"<script>{script()}</script>"),
        "script_policy": Markup(f"; script-src {script_hash()}"),
    }


@cache
def _template() -> Template:
    environment = page_templates("bunchtrain.report")
    environment.filters |= {"image": image, "link": link, "math": math}
    environment.filters |= {"number": is_number, "unbroken": unbroken}
    return environment.get_template("report.html")


def image(figure: Figure | str) -> str:
    """Return a plot as a data URI: SVG, or PNG where that is smaller."""
    if isinstance(figure, str) and figure.startswith(PNG):
        return figure
    text = small_svg(figure) if isinstance(figure, Figure) else figure
    if text is None and isinstance(figure, Figure):
        return PNG + base64.b64encode(png(figure)).decode()
    assert text is not None  # as a text is given where there is no figure
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def link(text: str) -> Markup:
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
    """Return text with the indices of ε_S, ε_B and b_reg as subscripts; names are unchanged."""
    return Markup(re.sub(r"\b(ε_[SB]|b_reg)\b", _subscript, str(escape(text))))


def unbroken(text: object) -> Markup:
    """Return a number or heading that a wide table breaks before ± or a name, not before a unit."""
    found = escape(text).replace("-", "−") if is_number(text) else escape(text)
    return Markup(re.sub(r"(?<=[±=]) |(?<=&gt;) | (?=[=%])", "\N{NO-BREAK SPACE}", found))


def _subscript(found: re.Match[str]) -> str:
    symbol, _, index = found[0].partition("_")
    return f"{symbol}<sub>{index}</sub>"


def seconds(value: float | None) -> str:
    """Return a time as `42 s`, `3.5 min` or `1.2 h`."""
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _cost_table(report: Report) -> Table:
    rows = []
    for model in report.models:
        cost, memory = model.cost, model.cost.memory
        rows.append(
            (
                model.name,
                model.model,
                count(cost.parameters),
                str(model.trainings),
                count(cost.events),
                count(cost.epochs),
                seconds(cost.seconds),
                count(cost.training_rate),
                count(cost.rate),
                "–" if memory is None else f"{memory / 1e6:.0f} MB",
            )
        )
    columns = (
        "Name",
        "Model",
        "Parameters",
        "Seeds",
        "Events",
        "Epochs",
        "Time",
        "Events/s",
        "Inference, events/s",
        "Memory",
    )
    caption = (
        "Cost: number of trained parameters, of which trees have none, and of trainings (seeds); "
        "events, epochs (of trees iterations), time, rate and peak memory of the first training; "
        "rate of inference from columns to predictions."
    )
    return Table(caption, columns, rows)


def _stage_table(report: Report) -> Table:
    rows = [(one.name, one.kind, one.state, one.time, one.memory) for one in report.stages]
    caption = (
        "Stages of the run in the order in which they ended, with the peak memory of the process."
    )
    return Table(caption, ("Stage", "Kind", "State", "Time", "Memory"), rows)


def count(value: float | None) -> str:
    """Return an integer with spaces between its thousands, or a dash."""
    return "–" if value is None else f"{value:,.0f}".replace(",", " ")


def _other_metrics(model: ModelSummary) -> Table | None:
    """Return the metrics that are not in the key table, with cuts and what passes them."""
    rows: list[Sequence[object]] = []
    measured = measurements(model.metrics)
    for name, entry in model.metrics.items():
        if not in_key_table(name):
            kept = [
                entry.get(key) for key in ("cut", "signal", "background", "efficiency", "purity")
            ]
            cells = ["" if k is None else f"{k:.4g}" for k in kept]
            rows.append([label(name), str(measured[name]), *cells])
    columns = ["Metric", "Value", "Best cut ≥", "s", "b", "ε_S", "Purity"]
    if rows and not any(any(row[2:]) for row in rows):
        columns, rows = columns[:2], [row[:2] for row in rows]
    return Table(model.name, columns, rows) if rows else None
