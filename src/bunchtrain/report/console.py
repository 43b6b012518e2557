"""The key table in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from bunchtrain.report.key_table import KeyTable
from bunchtrain.statistics.metrics import Measurement

#: Columns beyond which errors are below their values.
MANY = 4


def rich_table(table: KeyTable, title: str = "", note: str = "") -> Table:
    """Return the key table for rich.

    Below a value are its standard deviation over seeds, and dimmed the published value. Notes and
    sources are in the caption, so that four columns fit in 80 characters.
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
    drawn.add_column("Model", style="bold", min_width=10)
    for column in table.columns:
        heading = column.replace(" at ", "\nat ")
        heading = heading.replace(" = ", "\n= ") if narrow else heading
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in table.rows:
        # With spaces a long name is wrapped, and values and errors fit in 80 columns.
        cells = [_cell(*pair, narrow) for pair in zip(row.ours, row.published, strict=True)]
        drawn.add_row(row.name.replace("_", " "), *cells)
    return drawn


def _cell(ours: Measurement | None, published: Measurement | None, narrow: bool) -> Text:
    cell = Text("–" if ours is None else _text(ours, narrow))
    if ours is not None and ours.seed_text:
        cell += Text(f"\n{ours.seed_text}")
    return cell if published is None else cell + Text("\n" + _text(published, narrow), "dim")


def _text(value: Measurement, narrow: bool) -> str:
    return str(value).replace(" ± ", "\n± ") if narrow else str(value)
