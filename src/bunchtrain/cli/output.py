"""Standard output of the commands."""

from __future__ import annotations

import os
import sys

from rich.console import Console

#: Columns of tables in files and pipes, where the width of a terminal is unknown.
_WIDTH = 120


def make_console() -> Console:
    """Return a console; without a terminal its width is $COLUMNS, or 120 columns."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else _WIDTH)
