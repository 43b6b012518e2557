"""The key table in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from bunchtrain.evaluation.key_table import KeyTable
from bunchtrain.evaluation.metrics import Figure


def rich_table(table: KeyTable, title: str = "", note: str = "") -> Table:
    """Return the key table for rich.

    Below a figure stand its deviation over seeds, and dimmed the published one. Notes and sources
    are in the caption, so that four figures fit in 80 columns.
    """
    lines = [note] if note else []
    lines += [f"{row.name}: {row.note}" for row in table.rows if row.note]
    if table.sources:
        named = [f"{source} ({', '.join(names)})" for source, names in table.sources.items()]
        lines.append("Published, in grey below ours: " + "; ".join(named) + ".")
    drawn = Table(
        title=title or None,
        caption="\n".join(lines) or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        collapse_padding=True,
    )
    drawn.add_column("Network", style="bold", min_width=10)
    for column in table.columns:
        drawn.add_column(column.replace(" at ", "\nat "), justify="right", no_wrap=True)
    for row in table.rows:
        # With spaces a long name is wrapped, and the figures keep their errors at 80 columns.
        drawn.add_row(row.name.replace("_", " "), *map(_cell, row.ours, row.published))
    return drawn


def _cell(ours: Figure | None, published: Figure | None) -> Text:
    cell = Text("–" if ours is None else str(ours))
    if ours is not None and ours.over_seeds:
        cell += Text(f"\n{ours.over_seeds}")
    return cell if published is None else cell + Text(f"\n{published}", "dim")
