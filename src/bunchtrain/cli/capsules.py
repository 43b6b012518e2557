"""The command `bunchtrain capsules`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()


def capsules(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="out.parquet.")],
) -> None:
    """Write the output capsules of a run's capsule networks for its test set."""
    import bunchtrain as api

    rows = api.open_run(run).capsules(output)
    out.print(f"{output}: {rows} events", soft_wrap=True)
