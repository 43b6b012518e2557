"""Tables in the terminal: as many below each other as the width needs, no name or digit cut."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from bunchtrain.report.key_table import KeyTable
from bunchtrain.statistics.metrics import Measurement

#: Shortest line into which a heading is broken, if its cells are not wider.
MIN_HEADING = 9
#: Width of a console that fits every table.
WIDEST = 100_000


class SplitTable:
    """A table for rich that is split into several where the console is too narrow.

    columns  headings; the first `keys` columns are repeated in each part.
    rows     cells as text, perhaps of several lines.
    keys     number of columns that name a row.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | Text]],
        keys: int = 1,
        title: str = "",
        caption: str = "",
    ) -> None:
        self.columns, self.keys = list(columns), keys
        self.rows = [[cell if isinstance(cell, Text) else Text(cell) for cell in r] for r in rows]
        self.title, self.caption = title, caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts, with the title above the first and the caption below the last."""
        wide = options.update(max_width=WIDEST)

        def fits(chosen: Sequence[int]) -> bool:
            table = self._table(chosen, narrow=False)
            return console.measure(table, options=wide).maximum <= options.max_width

        if self.title:
            yield Text(self.title, "italic")
        for chosen in self._parts(fits) if self.columns else ():
            yield self._table(chosen, narrow=not fits(chosen))
        if self.caption:
            yield Text(self.caption, "dim italic")

    def _parts(self, fits: Callable[[Sequence[int]], bool]) -> Iterator[list[int]]:
        """Yield the columns of each part."""
        keys, chosen = list(range(self.keys)), list[int]()
        for k in range(self.keys, len(self.columns)):
            if chosen and not fits([*keys, *chosen, k]):
                yield [*keys, *chosen]
                chosen = []
            chosen.append(k)
        yield [*keys, *chosen]

    def _width(self, column: int) -> int:
        lines = [line for row in self.rows for line in row[column].plain.split("\n")]
        lines += self._heading(column).split("\n")
        return max(map(len, lines), default=0)

    def _heading(self, column: int) -> str:
        """Return a heading in lines that are hardly longer than the cells of its column."""
        cells = [line for row in self.rows for line in row[column].plain.split("\n")]
        width = max([MIN_HEADING, *map(len, cells)])
        lines = textwrap.wrap(self.columns[column], width, break_long_words=False)
        return "\n".join(lines)

    def _table(self, chosen: Sequence[int], narrow: bool) -> Table:
        """Return some of the columns; if `narrow`, names go on in the next line."""
        drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True)
        for k in chosen:
            is_key = k < self.keys
            drawn.add_column(
                Text(self._heading(k)),
                style="bold" if k == 0 else "",
                justify="left" if is_key else "right",
                no_wrap=not (narrow and is_key),
                overflow="fold",
                min_width=None if narrow and is_key else self._width(k),
            )
        for row in self.rows:
            drawn.add_row(*(row[k] for k in chosen))
        return drawn


def rich_table(table: KeyTable, title: str = "", note: str = "") -> SplitTable:
    """Return the key table for rich.

    Below a value are its standard deviation over seeds, and dimmed the published value. Notes and
    sources are in the caption.
    """
    lines = [note] if note else []
    lines += [f"{row.name}: {row.note}" for row in table.rows if row.note]
    if table.sources:
        named = [f"{source} ({', '.join(names)})" for source, names in table.sources.items()]
        lines.append("Published, in grey below ours: " + "; ".join(named) + ".")
    rows: list[list[str | Text]] = [
        [row.name, *(_cell(*pair) for pair in zip(row.ours, row.published, strict=True))]
        for row in table.rows
    ]
    return SplitTable(["Model", *table.columns], rows, title=title, caption="\n".join(lines))


def _cell(ours: Measurement | None, published: Measurement | None) -> Text:
    cell = Text("–" if ours is None else str(ours))
    if ours is not None and ours.seed_text:
        cell += Text(f"\n{ours.seed_text}")
    return cell if published is None else cell + Text(f"\n{published}", "dim")
