"""Standard output of the commands."""

from __future__ import annotations

import os
import sys

from rich.console import Console

#: Columns of tables in files and pipes, where the width of a terminal is unknown.
_WIDTH = 120


def make_console() -> Console:
    """Return a console: its width is $COLUMNS, or the terminal's, or 120 columns.

    Texts are printed as they are: `[b]` in the name of a file is no markup.
    """
    # rich takes 80 columns where TERM is dumb, also where COLUMNS is set.
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return Console(width=int(given), markup=False)
    return Console(width=None if sys.stdout.isatty() else _WIDTH, markup=False)
