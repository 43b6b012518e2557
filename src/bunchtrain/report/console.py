"""The key table in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from bunchtrain.report.key_table import KeyTable
from bunchtrain.statistics.metrics import Measurement

MANY = 4  # columns beyond which errors stand below their figures


def rich_table(table: KeyTable, title: str = "", note: str = "") -> Table:
    """Return the key table for rich.

    Below a figure stand its deviation over seeds, and dimmed the published one. Notes and sources
    are in the caption, so that four figures fit in 80 columns; of more, errors stand below them.
    """
    narrow = len(table.columns) > MANY
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
        heading = column.replace(" at ", "\nat ")
        heading = heading.replace(" = ", "\n= ") if narrow else heading
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in table.rows:
        # With spaces a long name is wrapped, and the figures keep their errors at 80 columns.
        cells = [_cell(*pair, narrow) for pair in zip(row.ours, row.published, strict=True)]
        drawn.add_row(row.name.replace("_", " "), *cells)
    return drawn


def _cell(ours: Measurement | None, published: Measurement | None, narrow: bool) -> Text:
    cell = Text("–" if ours is None else _told(ours, narrow))
    if ours is not None and ours.over_seeds:
        cell += Text(f"\n{ours.over_seeds}")
    return cell if published is None else cell + Text("\n" + _told(published, narrow), "dim")


def _told(figure: Measurement, narrow: bool) -> str:
    return str(figure).replace(" ± ", "\n± ") if narrow else str(figure)
