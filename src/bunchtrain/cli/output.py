"""Standard output of the commands: tables on a terminal, plain rows in files and pipes, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Columns of tables in files and pipes, where the width of a terminal is unknown.
_WIDTH = 120
#: Least width of a column of prose in a table.
_PROSE = 30


def make_console() -> Console:
    """Return a console: its width is $COLUMNS, or the terminal's, or 120 columns.

    Texts are printed as they are: `[b]` in the name of a file is no markup.
    """
    # rich takes 80 columns where TERM is dumb, also where COLUMNS is set.
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return Console(width=int(given), markup=False)
    return Console(width=None if sys.stdout.isatty() else _WIDTH, markup=False)


def show_rows(
    console: Console,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    prose: Collection[str] = (),
    right: Collection[str] = (),
) -> None:
    """Print rows as a table on a terminal, and elsewhere as plain rows, one a line.

    Cells are never cut, and only those of prose are wrapped. A table that is too wide for the
    terminal is printed as plain rows.

    Args:
        console: where to print.
        header: names of the columns.
        rows: cells of each row.
        title: line above the table.
        prose: columns of a terminal's table that may be wrapped.
        right: columns of numbers.
    """
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    needed = sum(
        min(width, _PROSE) if name in prose else width
        for name, width in zip(header, widths, strict=True)
    )
    if console.is_terminal and needed + 3 * len(header) + 1 <= console.width:
        table = Table(title=title or None, title_justify="left")
        for name in header:
            justify = "right" if name in right else "left"
            table.add_column(name, no_wrap=name not in prose, justify=justify)  # type: ignore[arg-type]
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    lines = [title] if title else []
    for row in [list(header), *cells]:
        padded = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    console.file.write("\n".join(lines) + "\n")


def show_json(content: object) -> None:
    """Print plain data as JSON, with NaN and infinity as null."""
    print(json.dumps(_finite(content), indent=1, ensure_ascii=False, default=str))


def _finite(value: object) -> object:
    """Return plain data without NaN and infinity, which JSON has not."""
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value
