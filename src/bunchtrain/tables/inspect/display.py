"""An inspection as tables: in the terminal through rich, in a notebook as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from bunchtrain.tables.inspect.inspection import ColumnSummary, Inspection

_HEADS = ("column", "type", "items an event", "smallest", "largest", "NaN", "infinite", "values")


def rich_tables(inspection: Inspection) -> Any:
    """Return what rich prints."""
    parts: list[Any] = [Text(_title(inspection), style="bold")]
    for table in inspection.tables:
        shown = Table(title=f"{table.name}: {table.rows}", title_justify="left")
        for place, head in enumerate(_HEADS):
            shown.add_column(head, justify="right" if 2 <= place <= 6 else "left", overflow="fold")
        for column in table.columns:
            shown.add_row(*(Text(cell) for cell in _cells(column)))
        parts += [shown, *(Text(line) for line in _left_out(table.unreadable))]
    return Group(*parts, *(Text(line) for line in _left_out(inspection.unreadable)))


def html(inspection: Inspection) -> str:
    """Return what a notebook shows."""
    parts = [f"<p><b>{escape(_title(inspection))}</b></p>"]
    head = "".join(f"<th>{name}</th>" for name in _HEADS)
    for table in inspection.tables:
        rows = "".join(f"<tr>{_row(column)}</tr>" for column in table.columns)
        parts.append(f"<p>{escape(table.name)}: {escape(table.rows)}</p>")
        parts.append(f"<table><tr>{head}</tr>{rows}</table>")
        parts += [f"<p>{escape(line)}</p>" for line in _left_out(table.unreadable)]
    parts += [f"<p>{escape(line)}</p>" for line in _left_out(inspection.unreadable)]
    return "\n".join(parts)


def _row(column: ColumnSummary) -> str:
    return "".join(f"<td>{escape(cell)}</td>" for cell in _cells(column))


def _title(inspection: Inspection) -> str:
    size = "" if inspection.size is None else f", {inspection.size / 1e6:.3g} MB"
    return f"{inspection.path} ({inspection.format}{size})"


def _cells(column: ColumnSummary) -> list[str]:
    low, mean, high = column.lengths or (0, 0.0, 0)
    lengths = f"{low} – {mean:.1f} – {high}" if column.lengths else ""
    smallest, largest = (f"{edge:.6g}" for edge in column.range) if column.range else ("", "")
    values = ", ".join(map(str, column.values)) if column.values else ""
    if column.distinct and not values:
        values = f"{column.distinct:,} different"
    bad = [str(count) if count else "" for count in (column.nans, column.infinities)]
    return [column.name, column.type, lengths, smallest, largest, *bad, values[:60]]


def _left_out(unreadable: dict[str, str], most: int = 10) -> list[str]:
    """Return the lines that say what cannot be read and why, the same reason once."""
    reasons: dict[str, list[str]] = {}
    for name, reason in unreadable.items():
        reasons.setdefault(reason, []).append(name)
    lines = []
    for reason, names in list(reasons.items())[:most]:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"not readable: {', '.join(names[:3])}{more}: {reason}")
    if len(reasons) > most:
        lines.append(f"not readable: {len(reasons) - most} more reasons")
    return lines
